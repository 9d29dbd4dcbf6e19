"""Translates Go templates of the common forms to Jinja2 in the relay's style. An action without a
counterpart becomes a comment in its place.
"""

import json
import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from relay.config.go.parser import (
    Assign,
    Body,
    Call,
    Expr,
    Field,
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
# What a field becomes, by the type of the value that has it: the relay's name, and its type.
_FIELDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "data": {
        "Receiver": ("receiver", "text"),
        "Status": ("status", "text"),
        "Alerts": ("alerts", "alerts"),
        "GroupLabels": ("group_labels", "labels"),
        "CommonLabels": ("common_labels", "labels"),
        "CommonAnnotations": ("common_annotations", "labels"),
        "ExternalURL": ("external_url", "text"),
        "NotificationReason": ("notification_reason", "text"),
    },
    "alerts": {"Firing": ("firing", "alerts"), "Resolved": ("resolved", "alerts")},
    "alert": {
        "Status": ("status", "text"),
        "Labels": ("labels", "labels"),
        "Annotations": ("annotations", "labels"),
        "StartsAt": ("starts_at", "time"),
        "EndsAt": ("ends_at", "time"),
        "GeneratorURL": ("generator_url", "text"),
        "Fingerprint": ("fingerprint", "text"),
    },
    "labels": {
        "SortedPairs": ("SortedPairs", "pairs"),
        "Names": ("Names", "texts"),
        "Values": ("Values", "texts"),
    },
    "pairs": {},
    "pair": {"Name": ("Name", "text"), "Value": ("Value", "text")},
    "time": {"UTC": ("", "time"), "Local": ("", "time")},
}
_OF_EACH = {"alerts": "alert", "pairs": "pair", "texts": "text"}
_FILTERS = {  # of one value
    "toUpper": "toUpper", "toLower": "toLower", "title": "title", "trimSpace": "trimSpace",
    "len": "length", "safeUrl": "safeUrl", "urlUnescape": "urlUnescape", "urlquery": "urlescape",
    "toJson": "toJson", "since": "since", "humanizeDuration": "humanizeDuration",
    "humanize": "humanize", "humanize1024": "humanize1024",
    "humanizePercentage": "humanizePercentage",
}  # fmt: skip
_NUMBERS = {"len"}
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_PLAIN = {"html", "js", "print"}  # values are escaped anyway
_VERB = re.compile(r"%(?:%|[svd]|q|[-+# 0-9.]*[a-zA-Z])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METHODS = frozenset(
    {"get", "items", "without", "rich", "SortedPairs", "Names", "Values", "Remove"}
)
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


class _Untranslatable(Exception):  # noqa: N818 - caught where the action becomes a comment
    pass


class _Value(Struct, frozen=True):
    """A Jinja2 expression and the type of its value; `bare` needs no brackets."""

    code: str
    kind: str
    bare: bool = True

    @property
    def operand(self) -> str:
        return self.code if self.bare else f"({self.code})"


class _Scope(Struct, frozen=True):
    """The meaning of the dot and the variables, in which template, and how many others that
    is in.
    """

    dot: _Value
    root: _Value
    variables: dict[str, _Value]
    template: str
    depth: int
    loop: int = 0
    """The loop of the template: a variable lives as long as its loop."""


_DATA = _Value("", "data")


def translate(body: Body, defined: Mapping[str, Body]) -> Translated:
    """The template as Jinja2, with the templates that it includes in their places."""
    writer = _Writer(defined)
    writer.body(body, _Scope(_DATA, _DATA, {}, "", 0))
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

    def body(self, nodes: Body, scope: _Scope) -> _Scope:
        """Writes the nodes. A variable is known from its declaration on."""
        for node in nodes:
            scope = self._node(node, scope)
        return scope

    def _node(self, node: Node, scope: _Scope) -> _Scope:
        if isinstance(node, Text):
            self._text(node.text)
            return scope
        before = len(self._parts), len(self.left)
        try:
            return self._action(node, scope)
        except _Untranslatable as error:
            del self._parts[before[0] :], self.left[before[1] :]
            self._mark(node, scope, str(error))
            return scope

    def _mark(
        self, node: Output | Assign | If | Range | Include | Unreadable, scope: _Scope, why: str
    ) -> None:
        """Writes a comment in place of the action. The contents of a block stay, for whoever mends
        it.
        """
        self.left.append(NotTranslated(scope.template, node.line, f"{{{{ {node.source} }}}}", why))
        self._comment(f"not translated: {{{{ {node.source} }}}}")
        if isinstance(node, If | Range):
            inner = _with_dot(scope, _Value("", "unknown")) if isinstance(node, Range) else scope
            self.body(node.body, inner)
            self._comment("the end of what is not translated")

    def _comment(self, text: str) -> None:
        self._parts.append((f"{{# {text.replace('#}', '# }')} #}}", False))

    def _action(self, node: Node, scope: _Scope) -> _Scope:
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
                raise _Untranslatable(node.why)
            case Text():
                self._text(node.text)
        return scope

    def _output(self, value: Expr, scope: _Scope) -> None:
        if isinstance(value, Literal) and isinstance(value.value, str):
            self._text(value.value)
        elif isinstance(value, Call) and value.name == "printf":
            self._printf(value, scope)
        elif isinstance(value, Call) and value.name == "println":
            self._print(_all_printed(value, scope))
            self._text("\n")
        else:
            found = _value(value, scope)
            if found.kind in ("data", "alerts", "alert", "pairs", "pair"):
                raise _Untranslatable("it prints a value of many parts")
            self._print(found.code)

    def _printf(self, call: Call, scope: _Scope) -> None:
        """Splits the text into literal parts and values, so that literal markup stays markup."""
        for part in _formatted(call, scope):
            if isinstance(part, str):
                self._text(part)
            else:
                self._print(part.code)

    def _assign(self, node: Assign, scope: _Scope) -> _Scope:
        if not node.declares:
            known = _value(Variable(node.name), scope)
            if not known.code.endswith(f"_{scope.loop}"):
                raise _Untranslatable(
                    "a variable of outside changes in a loop: Jinja2 keeps changes within"
                )
        value = _value(node.value, scope)
        if not value.code:
            raise _Untranslatable("a variable that is all of the data")
        name = f"var_{node.name}_{scope.loop}"
        self._tag(f"set {name} = {value.code}")
        return _with_variables(scope, {node.name: _Value(name, value.kind)})

    def _if(self, node: If, scope: _Scope) -> None:
        value = _value(node.value, scope)
        inner = scope
        if node.variable:
            inner = _with_variables(inner, {node.variable: value})
        self._tag(f"if {value.code}")
        self.body(node.body, _with_dot(inner, value) if node.is_with else inner)
        otherwise = node.otherwise
        while len(otherwise) == 1 and isinstance(otherwise[0], If) and not otherwise[0].is_with:
            nested = otherwise[0]
            self._tag(f"elif {_value(nested.value, scope).code}")
            self.body(nested.body, scope)
            otherwise = nested.otherwise
        if otherwise:
            self._tag("else")
            self.body(otherwise, scope)
        self._tag("endif")

    def _range(self, node: Range, scope: _Scope) -> None:
        value = _value(node.value, scope)
        self._loops += 1
        suffix = "" if self._loops == 1 else str(self._loops)
        if value.kind == "labels":
            names = f"name{suffix}", f"value{suffix}"
            self._tag(f"for {names[0]}, {names[1]} in {value.operand}.items()")
            item, key = _Value(names[1], "text"), _Value(names[0], "text")
        else:
            kind = _OF_EACH.get(value.kind)
            if kind is None:
                raise _Untranslatable("it loops over a value of unknown kind")
            name = f"{'item' if kind == 'text' else kind}{suffix}"
            self._tag(f"for {name} in {value.code}")
            item, key = _Value(name, kind), _Value("loop.index0", "number")
        named = dict(zip(node.variables, (item,) if len(node.variables) == 1 else (key, item),
                         strict=False))  # fmt: skip
        inner = _with_dot(_with_variables(scope, named), item)
        self.body(node.body, replace(inner, loop=self._loops))
        if node.otherwise:
            self._tag("else")
            self.body(node.otherwise, scope)
        self._tag("endfor")

    def _include(self, node: Include, scope: _Scope) -> None:
        body = self._defined.get(node.name)
        if body is None:
            raise _Untranslatable(f'no template "{node.name}" is defined in the files read')
        if scope.depth >= _DEEPEST:
            raise _Untranslatable("templates that include each other")
        dot = _Value("none", "nil") if node.value is None else _value(node.value, scope)
        self.body(body, _Scope(dot, dot, {}, node.name, scope.depth + 1, scope.loop))


def _with_dot(scope: _Scope, dot: _Value) -> _Scope:
    return replace(scope, dot=dot)


def _with_variables(scope: _Scope, more: dict[str, _Value]) -> _Scope:
    return replace(scope, variables={**scope.variables, **more})


def _value(expr: Expr, scope: _Scope) -> _Value:
    """The value of an expression. Raises _Untranslatable."""
    match expr:
        case Literal():
            return _literal(expr)
        case Variable():
            if not expr.name:
                return scope.root
            if expr.name not in scope.variables:
                raise _Untranslatable(f"the variable ${expr.name} is not known here")
            return scope.variables[expr.name]
        case Field():
            return _field(expr, scope)
        case Call():
            return _call(expr, scope)


def _literal(literal: Literal) -> _Value:
    value = literal.value
    if isinstance(value, bool) or value is None:
        return _Value({True: "true", False: "false", None: "none"}[value], "flag")
    if isinstance(value, str):
        return _Value(json.dumps(value, ensure_ascii=False), "text")
    return _Value(str(value), "number")


def _field(field: Field, scope: _Scope) -> _Value:
    value = scope.dot if field.of is None else _value(field.of, scope)
    for name in field.names:
        value = _member(value, name)
    return value


def _member(value: _Value, name: str) -> _Value:
    known = _FIELDS.get(value.kind, {})
    if name in known:
        code, kind = known[name]
        if not code:
            return _Value(f'{value.operand} | tz("UTC")', kind, bare=False)
        return _Value(f"{value.operand}.{code}" if value.code else code, kind)
    if value.kind == "labels":
        plain = _NAME.fullmatch(name) and name not in _METHODS and not name.startswith("_")
        code = f"{value.operand}.{name}" if plain else f"{value.operand}[{json.dumps(name)}]"
        return _Value(code, "text")
    if value.kind == "pairs" and name in ("Names", "Values"):
        which = f"map(attribute={json.dumps(name.removesuffix('s'))}) | list"
        return _Value(f"{value.operand} | {which}", "texts", bare=False)
    raise _Untranslatable(f"the field {name} has no counterpart here")


def _call(call: Call, scope: _Scope) -> _Value:
    name = call.name
    if name.startswith("unreadable: "):
        raise _Untranslatable(name.removeprefix("unreadable: "))
    if name in ("printf", "println", "print") and call.arguments:
        return _joined_text(call, scope)
    given = [_value(each, scope) for each in call.arguments]
    if name.startswith("."):
        return _method(name[1:], given)
    if name in _FILTERS and len(given) == 1:
        kind = "number" if name in _NUMBERS else "text"
        return _Value(f"{_piped(given[0])} | {_FILTERS[name]}", kind, bare=False)
    found = _logic(name, given) or _function(name, given)
    if found is None:
        raise _Untranslatable(f"the function {name} has no counterpart here")
    return found


def _logic(name: str, given: list[_Value]) -> _Value | None:
    match name, given:
        case (("and" | "or"), [_, _, *_]):
            return _Value(f" {name} ".join(each.operand for each in given), "flag", bare=False)
        case "not", [one]:
            return _Value(f"not {one.operand}", "flag", bare=False)
        case (("eq" | "ne" | "lt" | "le" | "gt" | "ge"), [one, *others]) if others:
            return _comparison(_COMPARED[name], one, others)
        case _:
            return None


def _function(name: str, given: list[_Value]) -> _Value | None:
    match name, given:
        case (("safeHtml" | "safeHTML"), [one]):
            return _Value(f"{_piped(one)} | markup", "text", bare=False)
        case (("html" | "js"), [one]):
            return one
        case "join", [separator, values]:
            return _Value(f"{_piped(values)} | join({separator.code})", "text", bare=False)
        case "match", [pattern, text]:
            return _Value(f"{_piped(text)} | match({pattern.code})", "flag", bare=False)
        case "reReplaceAll", [pattern, by, text]:
            code = f"{_piped(text)} | reReplaceAll({pattern.code}, {by.code})"
            return _Value(code, "text", bare=False)
        case (("date" | "tz"), [argument, moment]):
            kind = "text" if name == "date" else "time"
            return _Value(f"{_piped(moment)} | {name}({argument.code})", kind, bare=False)
        case "stringSlice", _:
            return _Value(f"stringSlice({', '.join(each.code for each in given)})", "texts")
        case "index", [one, key]:
            return _Value(f"{one.operand}[{key.code}]", _OF_EACH.get(one.kind, "text"))
        case _:
            return None


def _piped(value: _Value) -> str:
    """A value before a filter: filters bind more strongly than any operator."""
    return value.code if value.bare or " | " in value.code else f"({value.code})"


def _method(name: str, given: list[_Value]) -> _Value:
    match name, given:
        case "Format", [moment, layout] if moment.kind == "time":
            return _Value(f"{_piped(moment)} | date({layout.code})", "text", bare=False)
        case "Remove", [labels, names] if labels.kind == "labels":
            return _Value(f"{labels.operand}.Remove({names.code})", "labels")
        case _:
            raise _Untranslatable(f"the method {name} has no counterpart here")


def _comparison(sign: str, one: _Value, others: list[_Value]) -> _Value:
    """`eq` compares the first value with each of the others."""
    each = [f"{one.operand} {sign} {other.operand}" for other in others]
    return _Value(" or ".join(each), "flag", bare=False)


def _joined_text(call: Call, scope: _Scope) -> _Value:
    if call.name != "printf":
        return _Value(_all_printed(call, scope), "text", bare=False)
    parts = [
        json.dumps(part, ensure_ascii=False) if isinstance(part, str) else part.operand
        for part in _formatted(call, scope)
    ]
    return _Value(" ~ ".join(parts) or '""', "text", bare=len(parts) == 1)


def _all_printed(call: Call, scope: _Scope) -> str:
    return " ~ ".join(_value(each, scope).operand for each in call.arguments)


def _formatted(call: Call, scope: _Scope) -> list[str | _Value]:
    """The format of a printf as texts and values, in order."""
    layout, *arguments = call.arguments
    if not isinstance(layout, Literal) or not isinstance(layout.value, str):
        raise _Untranslatable("the format of printf is not written there")
    values = [_value(each, scope) for each in arguments]
    found: list[str | _Value] = []
    at = 0
    for verb in _VERB.finditer(layout.value):
        found.append(layout.value[at : verb.start()])
        found.append("%" if verb[0] == "%%" else _verb(verb[0], values))
        at = verb.end()
    found.append(layout.value[at:])
    if values:
        raise _Untranslatable("printf has more values than its format")
    return [part for part in found if part != ""]


def _verb(verb: str, values: list[_Value]) -> _Value:
    if not values:
        raise _Untranslatable("printf has fewer values than its format")
    value = values.pop(0)
    if verb in ("%s", "%v", "%d"):
        return value
    if verb == "%q":
        return _Value(f"{_piped(value)} | toJson", "text", bare=False)
    raise _Untranslatable(f"printf's {verb} has no counterpart here")
