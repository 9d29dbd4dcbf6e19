"""Translates Go templates of the common forms to Jinja2 in the relay's style. An action without a
counterpart becomes a comment in its place.
"""

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from relay.config.go.expression import (
    EACH,
    Scope,
    Untranslatable,
    Value,
    all_printed,
    formatted,
    printed,
    value_of,
)
from relay.config.go.parser import (
    Assign,
    Body,
    Call,
    Expr,
    If,
    Include,
    Literal,
    Node,
    Output,
    Range,
    Text,
    Unreadable,
    Variable,
)

_DEEPEST = 20  # templates within templates
_JINJA = re.compile(r"\{[{%#]|[}%#]\}")


class NotTranslated(Struct, frozen=True):
    """An action without a counterpart: its line in the template of that name (empty: the text in
    the configuration), its source, and why.
    """

    template: str
    line: int
    source: str
    why: str


class Translated(Struct, frozen=True):
    """A Jinja2 template, and what has to be translated by hand."""

    text: str
    left: tuple[NotTranslated, ...]


_DATA = Value("", "data")


def translate(body: Body, defined: Mapping[str, Body]) -> Translated:
    """The template as Jinja2, with the templates that it includes in their places."""
    writer = _Writer(defined)
    writer.body(body, Scope(_DATA, _DATA, {}, "", 0))
    return Translated(writer.text(), tuple(writer.left))


class _Writer:
    """Writes Jinja2 piece by piece. Tags keep the white space around them, as Go does."""

    def __init__(self, defined: Mapping[str, Body]) -> None:
        self.left: list[NotTranslated] = []
        self._defined = defined
        self._parts: list[tuple[str, bool]] = []
        self._loops = 0

    def text(self) -> str:
        """The written text. Jinja2 drops the line break after a tag, unless the tag asks to keep
        it.
        """
        found: list[str] = []
        for at, (part, is_tag) in enumerate(self._parts):
            following = self._parts[at + 1][0] if at + 1 < len(self._parts) else ""
            keeps = is_tag and following.startswith("\n")
            found.append(f"{part.removesuffix('%}')}+%}}" if keeps else part)
        return "".join(found)

    def _tag(self, code: str) -> None:
        self._parts.append((f"{{% {code} %}}", True))

    def _print(self, code: str) -> None:
        self._parts.append((f"{{{{ {code} }}}}", False))

    def _text(self, text: str) -> None:
        escaped = _JINJA.sub(lambda found: '{{ "' + found[0] + '" }}', text)
        if escaped:
            self._parts.append((escaped, False))

    def body(self, nodes: Body, scope: Scope) -> Scope:
        """Writes the nodes. A variable is known from its declaration on."""
        for node in nodes:
            scope = self._node(node, scope)
        return scope

    def _node(self, node: Node, scope: Scope) -> Scope:
        if isinstance(node, Text):
            self._text(node.text)
            return scope
        before = len(self._parts), len(self.left)
        try:
            return self._action(node, scope)
        except Untranslatable as error:
            del self._parts[before[0] :], self.left[before[1] :]
            self._mark(node, scope, str(error))
            return scope

    def _mark(
        self, node: Output | Assign | If | Range | Include | Unreadable, scope: Scope, why: str
    ) -> None:
        """Writes a comment in place of the action. The contents of a block stay, for whoever
        completes it.
        """
        self.left.append(NotTranslated(scope.template, node.line, f"{{{{ {node.source} }}}}", why))
        self._comment(f"not translated: {{{{ {node.source} }}}}")
        if isinstance(node, If | Range):
            inner = _with_dot(scope, Value("", "unknown")) if isinstance(node, Range) else scope
            self.body(node.body, inner)
            self._comment("the end of what is not translated")

    def _comment(self, text: str) -> None:
        self._parts.append((f"{{# {text.replace('#}', '# }')} #}}", False))

    def _action(self, node: Node, scope: Scope) -> Scope:
        match node:
            case Output():
                self._output(node.value, scope)
            case Assign():
                return self._assign(node, scope)
            case If():
                self._if(node, scope)
            case Range():
                self._range(node, scope)
            case Include():
                self._include(node, scope)
            case Unreadable():
                raise Untranslatable(node.why)
            case Text():
                self._text(node.text)
        return scope

    def _output(self, value: Expr, scope: Scope) -> None:
        if isinstance(value, Literal) and isinstance(value.value, str):
            self._text(value.value)
        elif isinstance(value, Call) and value.name == "printf":
            self._printf(value, scope)
        elif isinstance(value, Call) and value.name == "println":
            self._print(all_printed(value, scope))
            self._text("\n")
        else:
            found = value_of(value, scope)
            if found.kind in ("data", "alerts", "alert", "pairs", "pair"):
                raise Untranslatable("it prints a value of many parts")
            self._print(printed(found).code)

    def _printf(self, call: Call, scope: Scope) -> None:
        """Splits the text into literal parts and values, so that literal markup stays markup."""
        for part in formatted(call, scope):
            if isinstance(part, str):
                self._text(part)
            else:
                self._print(part.code)

    def _assign(self, node: Assign, scope: Scope) -> Scope:
        if not node.declares:
            known = value_of(Variable(node.name), scope)
            if not known.code.endswith(f"_{scope.loop}"):
                raise Untranslatable(
                    "a variable of outside changes in a loop: Jinja2 keeps changes within"
                )
        value = value_of(node.value, scope)
        if not value.code:
            raise Untranslatable("a variable that is all of the data")
        name = f"var_{node.name}_{scope.loop}"
        self._tag(f"set {name} = {value.code}")
        return _with_variables(scope, {node.name: Value(name, value.kind)})

    def _if(self, node: If, scope: Scope) -> None:
        value = value_of(node.value, scope)
        inner = scope
        if node.variable:
            inner = _with_variables(inner, {node.variable: value})
        self._tag(f"if {value.code}")
        self.body(node.body, _with_dot(inner, value) if node.is_with else inner)
        otherwise = node.otherwise
        while len(otherwise) == 1 and isinstance(otherwise[0], If) and not otherwise[0].is_with:
            nested = otherwise[0]
            self._tag(f"elif {value_of(nested.value, scope).code}")
            self.body(nested.body, scope)
            otherwise = nested.otherwise
        if otherwise:
            self._tag("else")
            self.body(otherwise, scope)
        self._tag("endif")

    def _range(self, node: Range, scope: Scope) -> None:
        value = value_of(node.value, scope)
        self._loops += 1
        suffix = "" if self._loops == 1 else str(self._loops)
        if value.kind == "labels":
            names = f"name{suffix}", f"value{suffix}"
            self._tag(f"for {names[0]}, {names[1]} in {value.operand}.items()")
            item, key = Value(names[1], "text"), Value(names[0], "text")
        else:
            kind = EACH.get(value.kind)
            if kind is None:
                raise Untranslatable("it loops over a value of unknown kind")
            name = f"{'item' if kind == 'text' else kind}{suffix}"
            self._tag(f"for {name} in {value.code}")
            item, key = Value(name, kind), Value("loop.index0", "number")
        named = dict(zip(node.variables, (item,) if len(node.variables) == 1 else (key, item),
                         strict=False))  # fmt: skip
        inner = _with_dot(_with_variables(scope, named), item)
        self.body(node.body, replace(inner, loop=self._loops))
        if node.otherwise:
            self._tag("else")
            self.body(node.otherwise, scope)
        self._tag("endfor")

    def _include(self, node: Include, scope: Scope) -> None:
        body = self._defined.get(node.name)
        if body is None:
            raise Untranslatable(f'no template "{node.name}" is defined in the files read')
        if scope.depth >= _DEEPEST:
            raise Untranslatable("templates that include each other")
        dot = Value("none", "nil") if node.value is None else value_of(node.value, scope)
        self.body(body, Scope(dot, dot, {}, node.name, scope.depth + 1, scope.loop))


def _with_dot(scope: Scope, dot: Value) -> Scope:
    return replace(scope, dot=dot)


def _with_variables(scope: Scope, more: dict[str, Value]) -> Scope:
    return replace(scope, variables={**scope.variables, **more})
