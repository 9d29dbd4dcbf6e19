"""A reader of Discord's Markdown as its apps show it, apart from the code that writes it: what is
text, what is more.

Written after https://support.discord.com/hc/en-us/articles/210298617 and the formats of
https://docs.discord.com/developers/reference#message-formatting.
"""

import re

from msgspec import Struct


class Read(Struct, frozen=True):
    """What a person sees, and the names of the constructs that were found."""

    text: str
    found: frozenset[str]


_ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
_INLINE: tuple[
    tuple[str, re.Pattern[str], bool], ...
] = (  # name, pattern, whether its first group is read on
    ("autolink", re.compile(r"<(https?://[^\s>]+)>"), False),
    ("mention", re.compile(r"<(?:@[!&]?|#)\d+>"), False),
    ("emoji", re.compile(r"<a?:\w+:\d+>"), False),
    ("time", re.compile(r"<t:-?\d+(?::[tTdDfFsSR])?>"), False),
    ("command", re.compile(r"</[\w -]+:\d+>|<id:\w+>"), False),
    ("everyone", re.compile(r"@everyone|@here"), False),
    ("url", re.compile(r"(?:https?|steam)://[^\s<]+"), False),
    ("emoji name", re.compile(r":[\w+~-]+:"), False),
    ("code", re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)"), False),
    ("link", re.compile(r"\[((?:\\[\s\S]|[^\[\]\\])*)\]\(<?([^\s>)]*)>?\)"), True),
    ("bold", re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"), True),
    ("underline", re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)"), True),
    (
        "italic",
        re.compile(r"\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"),
        True,
    ),
    ("italic", re.compile(r"(?<!\w)_((?:__|\\[\s\S]|[^\\_])+?)_(?!\w)"), True),
    ("strikethrough", re.compile(r"~~((?:\\[\s\S]|[^\\])+?)~~"), True),
    ("spoiler", re.compile(r"\|\|((?:\\[\s\S]|[^\\])+?)\|\|"), True),
)
_FENCE = re.compile(r"^(> )?```([\w+#.-]*\n)?((?:(?!```)[\s\S])*?)\n?(?:> )?```", re.MULTILINE)
_STARTS = (
    ("quote", re.compile(r" *>>? ?>? +")),
    ("heading", re.compile(r"#{1,3} +")),
    ("subtext", re.compile(r"-# +")),
    ("list", re.compile(r" *[-*] +")),
    ("list", re.compile(r" *\d+\. +")),
)


def read(source: str) -> Read:
    """What Discord's apps show for `source`."""
    found: set[str] = set()
    shown, position = "", 0
    for fence in _FENCE.finditer(source):
        found.add("pre")
        if fence[1]:
            found.add("quote")
        shown += _lines(source[position : fence.start()], found)
        code = fence[3].replace("\n> ", "\n").removeprefix("> ") if fence[1] else fence[3]
        shown += code
        position = fence.end()
    shown += _lines(source[position:], found)
    return Read(shown.replace("\u200b", ""), frozenset(found))


def _lines(source: str, found: set[str]) -> str:
    return "\n".join(_line(line, found) for line in source.split("\n"))


def _line(line: str, found: set[str]) -> str:
    for name, start in _STARTS:
        match = start.match(line)
        if match:
            found.add(name)
            line = line[match.end() :]
    return _inline(line, found)


def _inline(source: str, found: set[str]) -> str:
    shown, position = "", 0
    while position < len(source):
        escape = _ESCAPE.match(source, position)
        if escape:
            shown, position = shown + escape[1], escape.end()
            continue
        name, match, nested = _first(source, position)
        if match is None:
            shown, position = shown + source[position], position + 1
            continue
        found.add(name)
        shown += _inline(match[1], found) if nested else _shown(name, match)
        position = match.end()
    return shown


def _first(source: str, position: int) -> tuple[str, re.Match[str] | None, bool]:
    for name, pattern, nested in _INLINE:
        match = pattern.match(source, position)
        if match:
            return name, match, nested
    return "", None, False


def _shown(name: str, match: re.Match[str]) -> str:
    if name == "code":  # without the blank that keeps a back-tick off the fence
        return re.sub(r"^ (?=`)|(?<=`) $", "", match[2])
    return match[1] if name == "autolink" else match[0]
