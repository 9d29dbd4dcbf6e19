"""The built-in templates and their markups."""

from collections.abc import Mapping

from relay.core.text.markup import MarkupName

BUILT_IN: Mapping[str, MarkupName] = {
    "telegram.html.j2": "html",
    "discord.md.j2": "discord",
    "telegram.md2.j2": "markdownv2",
    "telegram.md.j2": "markdown",
    "plain.txt.j2": "none",
}
TELEGRAM, DISCORD, *_ = BUILT_IN
LENDING = (TELEGRAM, DISCORD)
"""The built-in templates whose blocks replace those that a template leaves out."""
