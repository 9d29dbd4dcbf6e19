"""Markup in a template that will be shown as text: it belongs to another markup than the
template's, or it is in an expression, whose value is always text.
"""

import re
from collections.abc import Iterator

from jinja2 import nodes

from relay.core.template.static_check import column
from relay.core.template.template_fault import TemplateFault
from relay.core.text.markup import MarkupName

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_NAME = r"(?:b|strong|i|em|u|ins|s|strike|del|code|pre|a|blockquote|br|p|span|tg-spoiler)"
_TAG = re.compile(rf"</?{_NAME}(?:\s[^<>\n]*)?/?>", re.IGNORECASE)
_MARKDOWN = re.compile(
    r"\*\*(?=\S)[^*\n]+\*\*|\[[^\[\]\n]+\]\([^()\s]+\)|`[^`\n]+`|(?<![\w`])__(?=\S)[^_\n]+__(?!\w)"
)
_TITLES: dict[MarkupName, str] = {
    "html": "HTML", "markdownv2": "MarkdownV2", "markdown": "Markdown", "discord": "Markdown",
    "none": "plain text",
}  # fmt: skip


def literal_markup(
    name: str, source: str, tree: nodes.Template, markup: MarkupName
) -> Iterator[TemplateFault]:
    """A warning for the first piece of another markup, and one for the first piece in an
    expression.
    """
    found = _foreign(source, markup)
    if found:
        line = source.count("\n", 0, found.start()) + 1
        at = found.start() - source.rfind("\n", 0, found.start())
        yield TemplateFault(name, line, at, _advice(_written(source, found), markup), "warning")
    for text in _printed(tree):
        piece = _TAG.search(text.value) or _MARKDOWN.search(text.value)
        if piece:
            message = (
                f"{piece[0]} within {{{{ }}}} is text and is shown as it is: write markup outside "
                "of the braces, or | bold, | italic, | code, | link(address)"
            )
            at = column(source, text.lineno, "")
            yield TemplateFault(name, text.lineno, at, message, "warning")
            return


def _foreign(source: str, markup: MarkupName) -> re.Match[str] | None:
    """The first piece of a markup that the template is not written in. Jinja's output counts as a
    word, its statements and comments as nothing; positions are kept.
    """
    text = _JINJA.sub(lambda found: ("x" if found[0][1] == "{" else " ") * len(found[0]), source)
    patterns = [_TAG] if markup != "html" else []
    patterns += [_MARKDOWN] if markup in ("html", "none") else []
    hits = [hit for pattern in patterns if (hit := pattern.search(text))]
    return min(hits, key=lambda hit: hit.start(), default=None)


def _written(source: str, found: re.Match[str]) -> str:
    return " ".join(source[found.start() : found.end()].split())


def _advice(piece: str, markup: MarkupName) -> str:
    shown = f"{piece} is not markup in {_TITLES[markup]} and is shown as it is"
    if markup == "none":
        return f"{shown}: name a parse_mode"
    if markup == "html":
        return f"{shown}: write <b>, <i>, <code> or <a href=...>, or name another parse_mode"
    return f"{shown}: write Markdown, or parse_mode: HTML"


def _printed(tree: nodes.Template) -> Iterator[nodes.Const]:
    """The texts that expressions print or assign, without those that are arguments."""
    waiting: list[nodes.Node] = [
        each for output in tree.find_all(nodes.Output) for each in output.nodes
    ]
    waiting += [assign.node for assign in tree.find_all(nodes.Assign)]
    while waiting:
        node = waiting.pop(0)
        match node:
            case nodes.Const(value=str()):
                yield node
            case nodes.Concat():
                waiting = [*node.nodes, *waiting]
            case nodes.Add():
                waiting = [node.left, node.right, *waiting]
            case nodes.CondExpr():
                waiting = [node.expr1, *([node.expr2] if node.expr2 else []), *waiting]
            case nodes.Filter() if node.node is not None:
                waiting = [node.node, *waiting]
