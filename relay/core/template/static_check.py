"""The syntax that a template may use: an allow-list of nodes of Jinja's syntax tree, checked before
compiling.
"""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from jinja2 import nodes
from msgspec import Struct

from relay.core.template.objects import Alert
from relay.core.template.sandbox import MAX_RANGE, TESTS, nearest
from relay.core.text.message import BLOCKS
from relay.core.text.richtext import CLOSE, OPEN

MAX_SOURCE = 1 << 16

_PAID = "_paid"  # the name for a macro's price; no template can write it
_ADVICE: dict[type[nodes.Node], str] = {
    nodes.Pow: "** is not available: write the number itself",
    nodes.AssignBlock: (
        "{% set %} with a body is not available: write {% macro %} and call it where its "
        "text belongs"
    ),
    nodes.FilterBlock: "{% filter %} is not available: put the filter on each value",
    nodes.CallBlock: "{% call %} is not available: write a macro with parameters",
    nodes.Include: "{% include %} is not available: a template is one file",
    nodes.Import: "{% import %} is not available: a template is one file, put the macro into it",
    nodes.FromImport: "{% from %} is not available: a template is one file, put the macro into it",
    nodes.Extends: (
        "{% extends %} is not available: blocks that are left out have the built-in default"
    ),
    nodes.Scope: "{% autoescape %} is not available: values are escaped automatically",
}
_FILTER_ADVICE = {
    "safe": "values are escaped automatically; for a style write | bold, | code or link(text, url)",
    "escape": "values are escaped automatically: leave it out",
    "e": "values are escaped automatically: leave it out",
    "attr": "write alert.name or labels['name']",
    "format": "join texts with ~, round numbers with | round(2)",
    "center": "chats have proportional letters: leave it out",
    "indent": "leave it out",
    "wordwrap": "chats wrap lines: leave it out",
}
# Go's syntax, in which Alertmanager's own templates are written: a keyword, a variable, or a field,
# which begins with a capital.
_GO = re.compile(
    r"\{\{-?\s*(?:(?P<word>\$|(?:range|if|else|end|with|define|template|block)(?!\w))"
    r"|(?:\(|\w+\s+)*\.(?P<field>[A-Z]\w*(?:\.\w+)*))"
)
_GO_ADVICE = {
    "range": "{% for alert in alerts %} and {% endfor %}",
    "if": "{% if ... %} and {% endif %}",
    "else": "{% else %}",
    "end": "{% endfor %} or {% endif %}",
    "with": "{% if ... %} and {% endif %}",
    "define": "{% macro name() %} and {% endmacro %}",
    "template": "all of it into this file, or name a file with the key template",
    "block": "{% block card %} and {% endblock %}",
    "$": "{% set name = ... %}, and name without a $",
}
_LABELS = frozenset(
    {"labels", "annotations", "common_labels", "common_annotations", "group_labels",
     "route_labels", "Labels", "Annotations", "CommonLabels", "CommonAnnotations", "GroupLabels"}
)  # fmt: skip
_OF_LABELS = frozenset({"SortedPairs", "Names", "Values", "Remove", "items", "get", "without"})
_OF_TEXT = frozenset(name for name in dir(str) if not name.startswith("_"))
_NAME_ADVICE = {
    "self": "blocks cannot be used twice: write a macro",
    "super": "there is nothing above: leave the block out for the built-in default",
    "caller": "{% call %} is not available",
    "varargs": "name the parameters",
    "kwargs": "name the parameters",
}
_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.NSRef, nodes.Const,
    nodes.For, nodes.If,
    nodes.Assign, nodes.With, nodes.Macro, nodes.Block, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Filter,
    nodes.Test, nodes.Call, nodes.Keyword, nodes.Pair, nodes.List, nodes.Tuple, nodes.Dict,
    nodes.CondExpr,
    nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.Concat,
)  # fmt: skip


class Finding(Struct, frozen=True):
    """A fault at a line; `word` is the text to point at."""

    line: int
    message: str
    word: str = ""


def findings(
    tree: nodes.Template, known: Collection[str], filters: Collection[str]
) -> list[Finding]:
    """All constructs that are not on the list, and all unknown names."""
    macros = {node.name for node in tree.find_all(nodes.Macro)}
    stored = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names = {*known, *macros, *stored, "loop"}
    printed = {id(child) for output in tree.find_all(nodes.Output) for child in output.nodes}
    found: list[Finding] = []
    for node in _walk(tree):
        advice = (
            _refused(node)
            or _unknown(node, names, filters)
            or _macro_misuse(node, macros, printed)
            or _dotted(node)
        )
        if advice:
            found.append(advice)
    return [*found, *_misplaced(tree)]


def _dotted(node: nodes.Node) -> Finding | None:
    """A label with a dot in its name, written as attributes: `labels.service.name`."""
    if not isinstance(node, nodes.Getattr) or node.attr in _OF_TEXT:
        return None
    parts: list[str] = []
    inner: nodes.Expr = node
    while isinstance(inner, nodes.Getattr) and inner.attr not in _LABELS:
        parts.insert(0, inner.attr)
        inner = inner.node
    if isinstance(inner, nodes.Getattr):
        holder = inner.attr
    else:
        holder = inner.name if isinstance(inner, nodes.Name) else ""
    if len(parts) != 2 or holder not in _LABELS or parts[0] in _OF_LABELS:
        return None
    message = (
        f'a label is a text: for one with a dot in its name write {holder}["{".".join(parts)}"]'
    )
    return Finding(node.lineno, message, parts[1])


def go(source: str) -> Iterator[tuple[int, str]]:
    """The places of Go's template language in a source that is not valid Jinja2, and what to write
    instead.
    """
    for found in _GO.finditer(source):
        word, field = found["word"], found["field"]
        yield (
            found.start("word" if word else "field") - (not word),
            (
                "this is Go's template language, here it is Jinja2: write "
                f"{_GO_ADVICE[word] if word else _named(field)}"
            ),
        )


def _named(field: str) -> str:
    """`CommonLabels.job` as `common_labels.job`, `Labels.job` as `alert.labels.job`."""
    first, dot, rest = field.partition(".")
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", first).lower()
    of_alert = name in (
        "labels",
        "annotations",
        "starts_at",
        "ends_at",
        "generator_url",
        "fingerprint",
    )
    return f"{'alert.' if of_alert else ''}{name}{dot}{rest}"


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node except those inside a refused one, for which one finding is enough."""
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if type(node) in _ALLOWED:
            waiting += reversed(list(node.iter_child_nodes()))


def _refused(node: nodes.Node) -> Finding | None:
    if type(node) not in _ALLOWED:
        line = node.lineno or next((child.lineno for child in node.iter_child_nodes()), 1)
        return Finding(
            line, _ADVICE.get(type(node), f"{type(node).__name__} is not available in templates")
        )
    if isinstance(node, nodes.For) and node.recursive:
        return Finding(node.lineno, "recursive loops are not available", "recursive")
    if isinstance(node, (nodes.Name, nodes.Macro)) and node.name.startswith("_"):
        return Finding(
            node.lineno,
            f"names that begin with an underscore are not available: {node.name}",
            node.name,
        )
    if isinstance(node, (nodes.Getattr, nodes.NSRef)) and node.attr.startswith("_"):
        return Finding(
            node.lineno,
            f"write ['{node.attr}'] for a label that begins with an underscore",
            node.attr,
        )
    if isinstance(node, nodes.TemplateData) and (OPEN in node.data or CLOSE in node.data):
        return Finding(node.lineno, "U+FDD0 and U+FDD1 are not characters: remove them")
    if isinstance(node, (nodes.Mul, nodes.Mod)) and (_textual(node.left) or _textual(node.right)):
        return Finding(
            node.lineno, f"{node.operator} is for numbers: join texts with ~", node.operator
        )
    if isinstance(node, nodes.Call) and _long_range(node):
        return Finding(
            node.lineno, f"range() of more than {MAX_RANGE} is too much for a message", "range"
        )
    return None


def _textual(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.List) or (
        isinstance(node, nodes.Const) and isinstance(node.value, str)
    )


def _long_range(node: nodes.Call) -> bool:
    bounds = [
        arg.value
        for arg in node.args
        if isinstance(arg, nodes.Const) and isinstance(arg.value, int)
    ]
    if not (
        isinstance(node.node, nodes.Name)
        and node.node.name == "range"
        and 1 <= len(bounds) == len(node.args) <= 3
    ):
        return False
    return not (len(bounds) == 3 and bounds[2] == 0) and len(range(*bounds)) > MAX_RANGE


def _unknown(node: nodes.Node, names: Collection[str], filters: Collection[str]) -> Finding | None:
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in names:
        advice = _NAME_ADVICE.get(node.name)
        message = (
            f"{node.name}: {advice}"
            if advice
            else f"'{node.name}' is undefined{_meant(node.name, names)}"
        )
        return Finding(node.lineno, message, node.name)
    if isinstance(node, nodes.Filter) and (node.name.startswith("_") or node.name not in filters):
        advice = _FILTER_ADVICE.get(node.name)
        public = sorted(name for name in filters if not name.startswith("_"))
        hint = f": {advice}" if advice else nearest(node.name, public)
        return Finding(node.lineno, f"no filter {node.name!r}{hint}", node.name)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        return Finding(
            node.lineno, f"no test {node.name!r}{nearest(node.name, sorted(TESTS))}", node.name
        )
    return None


def _meant(name: str, names: Collection[str]) -> str:
    """The nearest name, or the attribute of an alert that was probably meant; else all names."""
    ours = sorted(known for known in names if known[:1].islower())
    attributes = [known for known in dir(Alert) if known[:1].islower()]
    close = get_close_matches(name, [*names, *attributes], 1)
    if close and close[0] not in names:
        return f"; did you mean 'alert.{close[0]}'? An alert has {' '.join(attributes)}"
    return nearest(name, [*names] if close else ours)


def _macro_misuse(
    node: nodes.Node, macros: Collection[str], printed: Collection[int]
) -> Finding | None:
    """Misuse of a macro. Its output is markup already, so it may only be printed: otherwise a value
    could become markup.
    """
    for child in node.iter_child_nodes():
        if not (isinstance(child, nodes.Name) and child.ctx == "load" and child.name in macros):
            continue
        if not (isinstance(node, nodes.Call) and node.node is child and id(node) in printed):
            return Finding(
                node.lineno, f"a macro is only printed: {{{{ {child.name}(...) }}}}", child.name
            )
    return None


def _misplaced(tree: nodes.Template) -> Iterator[Finding]:
    """Unknown or nested blocks, text outside blocks, and macros that call each other in a
    circle.
    """
    top = [node for node in tree.body if isinstance(node, nodes.Block)]
    for block in tree.find_all(nodes.Block):
        if all(block is not node for node in top):
            yield Finding(
                block.lineno,
                f"block {block.name!r} is inside something else: blocks cannot be nested",
                block.name,
            )
        elif block.name not in BLOCKS:
            yield Finding(
                block.lineno, f"no block {block.name!r}{nearest(block.name, BLOCKS)}", block.name
            )
    yield from _stray(tree) if top else ()
    seen: set[str] = set()
    for macro in tree.find_all(nodes.Macro):
        for call in macro.find_all(nodes.Call):
            if (
                isinstance(call.node, nodes.Name)
                and call.node.name not in seen
                and call.node.name in _macros(tree)
            ):
                yield Finding(
                    call.lineno,
                    f"macro {call.node.name!r} is used before it is defined",
                    call.node.name,
                )
        seen.add(macro.name)


def _macros(tree: nodes.Template) -> set[str]:
    return {macro.name for macro in tree.find_all(nodes.Macro)}


def _stray(tree: nodes.Template) -> Iterator[Finding]:
    for node in tree.body:
        data = (
            [
                child
                for child in node.nodes
                if not (isinstance(child, nodes.TemplateData) and not child.data.strip())
            ]
            if (isinstance(node, nodes.Output))
            else []
        )
        if data or isinstance(node, (nodes.For, nodes.If, nodes.With)):
            yield Finding(
                (data[0] if data else node).lineno,
                "this is outside the blocks and would never be sent",
            )


def transform(node: nodes.Node) -> None:
    """Replaces `~` and literal lists by bounded operations, adds prices to loops, comparisons,
    slices and macros, and makes `a if b` empty when not b.
    """
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        node.expr2 = nodes.Const("", lineno=node.lineno)
    if isinstance(node, nodes.Macro):
        paid = _filtered(nodes.Const(_amount(node), lineno=node.lineno), "_entered")
        node.body = [nodes.Assign(nodes.Name(_PAID, "store"), paid, lineno=node.lineno), *node.body]
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            transform(value)
            setattr(node, field, _replaced(node, field, value))
        elif isinstance(value, list):
            for at, item in enumerate(value):
                if isinstance(item, nodes.Node):
                    transform(item)
                    value[at] = _replaced(node, field, item)


def _replaced(parent: nodes.Node, field: str, node: nodes.Node) -> nodes.Node:
    if isinstance(node, nodes.Concat):
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concat")
    if isinstance(node, nodes.Expr) and isinstance(parent, nodes.For) and field == "iter":
        return _filtered(node, "_turns", nodes.Const(_amount(parent)))
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        return _filtered(node, "_made")
    if (
        isinstance(parent, (nodes.Compare, nodes.Operand))
        and isinstance(node, nodes.Expr)
        and not isinstance(node, (nodes.Const, nodes.List, nodes.Dict, nodes.Tuple))
    ):
        return _filtered(node, "_same" if _are_same(parent) else "_look")
    if isinstance(node, (nodes.List, nodes.Dict)) or (
        isinstance(node, nodes.Tuple) and node.ctx == "load"
    ):
        return _filtered(node, "_flat")
    return node


def _are_same(node: nodes.Compare | nodes.Operand) -> bool:
    """Whether it only compares for equality."""
    asked = [node] if isinstance(node, nodes.Operand) else node.ops
    return all(operand.op in ("eq", "ne") for operand in asked)


def _amount(node: nodes.Node) -> int:
    """How much text and how many operations it contains."""
    return sum(
        len(part.data) if isinstance(part, nodes.TemplateData) else 1
        for part in node.find_all(nodes.Node)
    )


def _filtered(node: nodes.Expr, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def quoted(message: str) -> str:
    """The first quoted word of a message, at which the error points."""
    found = re.search(r"'([^']+)'", message)
    return found[1] if found else ""


def column(source: str, line: int, word: str) -> int:
    """The column of `word` in that line; if it is not there, that of the first character that is
    not white space.
    """
    lines = source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) if word else None
    return (found.start() if found else len(text) - len(text.lstrip())) + 1
