"""Expressions of Go templates as expressions of Jinja2, with the types of their values."""

import json
import re
from collections.abc import Mapping

from msgspec import Struct

from relay.config.go.parser import Call, Expr, Field, Literal, Variable

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
EACH = {"alerts": "alert", "pairs": "pair", "texts": "text"}
_PRINTED_TIME = "2006-01-02 15:04:05.999999999 -0700 MST"  # https://pkg.go.dev/time#Time.String
_MOMENTS = {"Before": "<", "After": ">", "Equal": "=="}
_NANOSECONDS = 1e9  # in a second; Go counts durations in nanoseconds
_FILTERS = {  # of one value
    "toUpper": "toUpper", "toLower": "toLower", "title": "title", "trimSpace": "trimSpace",
    "len": "length", "safeUrl": "safeUrl", "urlUnescape": "urlUnescape", "urlquery": "urlescape",
    "toJson": "toJson", "since": "since", "humanizeDuration": "humanizeDuration",
    "humanize": "humanize", "humanize1024": "humanize1024",
    "humanizePercentage": "humanizePercentage",
}  # fmt: skip
_KINDS = {"len": "number", "since": "duration"}  # of results that are not texts
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_VERB = re.compile(r"%(?:%|[svd]|q|[-+# 0-9.]*[a-zA-Z])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METHODS = frozenset(
    {"get", "items", "without", "rich", "SortedPairs", "Names", "Values", "Remove"}
)


class Untranslatable(Exception):  # noqa: N818 - caught where the action becomes a comment
    """The expression has no counterpart; the message says why."""


class Value(Struct, frozen=True):
    """A Jinja2 expression and the type of its value; `bare` needs no brackets."""

    code: str
    kind: str
    bare: bool = True

    @property
    def operand(self) -> str:
        return self.code if self.bare else f"({self.code})"


class Scope(Struct, frozen=True):
    """The meaning of the dot and the variables, in which template, and how many others that
    is in.
    """

    dot: Value
    root: Value
    variables: dict[str, Value]
    template: str
    depth: int
    loop: int = 0
    """The loop of the template: a variable lives as long as its loop."""


def value_of(expr: Expr, scope: Scope) -> Value:
    """The expression, with the meaning that `scope` gives it. Raises Untranslatable."""
    match expr:
        case Literal():
            return _literal(expr)
        case Variable():
            if not expr.name:
                return scope.root
            if expr.name not in scope.variables:
                raise Untranslatable(f"the variable ${expr.name} is not known here")
            return scope.variables[expr.name]
        case Field():
            return _field(expr, scope)
        case Call():
            return _call(expr, scope)


def _literal(literal: Literal) -> Value:
    value = literal.value
    if isinstance(value, bool) or value is None:
        return Value({True: "true", False: "false", None: "none"}[value], "flag")
    if isinstance(value, str):
        return Value(json.dumps(value, ensure_ascii=False), "text")
    return Value(str(value), "number")


def _field(field: Field, scope: Scope) -> Value:
    value = scope.dot if field.of is None else value_of(field.of, scope)
    for name in field.names:
        value = _member(value, name)
    return value


def _member(value: Value, name: str) -> Value:
    known = _FIELDS.get(value.kind, {})
    if value.kind == "time" and name == "IsZero":
        return Value(f"not {value.operand}", "flag", bare=False)
    if name in known:
        code, kind = known[name]
        if not code:
            return Value(f'{value.operand} | tz("UTC")', kind, bare=False)
        return Value(f"{value.operand}.{code}" if value.code else code, kind)
    if value.kind == "labels":
        plain = _NAME.fullmatch(name) and name not in _METHODS and not name.startswith("_")
        code = f"{value.operand}.{name}" if plain else f"{value.operand}[{json.dumps(name)}]"
        return Value(code, "text")
    if value.kind == "pairs" and name in ("Names", "Values"):
        which = f"map(attribute={json.dumps(name.removesuffix('s'))}) | list"
        return Value(f"{value.operand} | {which}", "texts", bare=False)
    raise Untranslatable(f"the field {name} has no counterpart here")


def _call(call: Call, scope: Scope) -> Value:
    name = call.name
    if name.startswith("unreadable: "):
        raise Untranslatable(name.removeprefix("unreadable: "))
    if name in ("printf", "println", "print") and call.arguments:
        return _joined_text(call, scope)
    given = [value_of(each, scope) for each in call.arguments]
    if name.startswith("."):
        return _method(name[1:], given)
    if name in _FILTERS and len(given) == 1:
        kind = _KINDS.get(name, "text")
        return Value(f"{_piped(given[0])} | {_FILTERS[name]}", kind, bare=False)
    found = _logic(name, given) or _function(name, given)
    if found is None:
        raise Untranslatable(f"the function {name} has no counterpart here")
    return found


def _logic(name: str, given: list[Value]) -> Value | None:
    match name, given:
        case (("and" | "or"), [_, _, *_]):
            return Value(f" {name} ".join(each.operand for each in given), "flag", bare=False)
        case "not", [one]:
            return Value(f"not {one.operand}", "flag", bare=False)
        case (("eq" | "ne" | "lt" | "le" | "gt" | "ge"), [one, *others]) if others:
            return _comparison(_COMPARED[name], *_alike(one, others))
        case _:
            return None


def _function(name: str, given: list[Value]) -> Value | None:
    match name, given:
        case (("safeHtml" | "safeHTML"), [one]):
            return Value(f"{_piped(one)} | markup", "text", bare=False)
        case (("html" | "js"), [one]):
            return one
        case "join", [separator, values]:
            return Value(f"{_piped(values)} | join({separator.code})", "text", bare=False)
        case "match", [pattern, text]:
            return Value(f"{_piped(text)} | match({pattern.code})", "flag", bare=False)
        case "reReplaceAll", [pattern, by, text]:
            code = f"{_piped(text)} | reReplaceAll({pattern.code}, {by.code})"
            return Value(code, "text", bare=False)
        case (("date" | "tz"), [argument, moment]):
            kind = "text" if name == "date" else "time"
            return Value(f"{_piped(moment)} | {name}({argument.code})", kind, bare=False)
        case "stringSlice", _:
            return Value(f"stringSlice({', '.join(each.code for each in given)})", "texts")
        case "index", [one, key]:
            return Value(f"{one.operand}[{key.code}]", EACH.get(one.kind, "text"))
        case _:
            return None


def _piped(value: Value) -> str:
    """A value before a filter: filters bind more strongly than any operator."""
    return value.code if value.bare or " | " in value.code else f"({value.code})"


def printed(value: Value) -> Value:
    """A value as Go prints it; the relay prints times differently."""
    if value.kind != "time":
        return value
    layout = json.dumps(_PRINTED_TIME)
    return Value(f"{_piped(value)} | date({layout})", "text", bare=False)


def _seconds(moment: Value) -> str:
    return f"{moment.operand}.unix"


def _method(name: str, given: list[Value]) -> Value:
    match name, given:
        case "Format", [moment, layout] if moment.kind == "time":
            return Value(f"{_piped(moment)} | date({layout.code})", "text", bare=False)
        case "Remove", [labels, names] if labels.kind == "labels":
            return Value(f"{labels.operand}.Remove({names.code})", "labels")
        case "Sub", [end, start] if end.kind == start.kind == "time":
            code = f"({_seconds(end)} - {_seconds(start)}) | duration"
            return Value(code, "duration", bare=False)
        case (("Round" | "Truncate"), [length, _]) if length.kind == "duration":
            return length  # the relay prints two units
        case (("Before" | "After" | "Equal"), [one, other]) if one.kind == other.kind == "time":
            code = f"{_seconds(one)} {_MOMENTS[name]} {_seconds(other)}"
            return Value(code, "flag", bare=False)
        case _:
            raise Untranslatable(f"the method {name} has no counterpart here")


def _alike(one: Value, others: list[Value]) -> tuple[Value, list[Value]]:
    """The values, with numbers that stand beside a duration as seconds, the unit of
    durations here.
    """
    if one.kind != "duration":
        return one, others
    return one, [_in_seconds(each) if each.kind == "number" else each for each in others]


def _in_seconds(number: Value) -> Value:
    try:
        return Value(f"{float(number.code) / _NANOSECONDS:g}", "number")
    except ValueError:
        return Value(f"{number.operand} / {_NANOSECONDS:g}", "number", bare=False)


def _comparison(sign: str, one: Value, others: list[Value]) -> Value:
    """`eq` compares the first value with each of the others."""
    each = [f"{one.operand} {sign} {other.operand}" for other in others]
    return Value(" or ".join(each), "flag", bare=False)


def _joined_text(call: Call, scope: Scope) -> Value:
    if call.name != "printf":
        return Value(all_printed(call, scope), "text", bare=False)
    parts = [
        json.dumps(part, ensure_ascii=False) if isinstance(part, str) else part.operand
        for part in formatted(call, scope)
    ]
    return Value(" ~ ".join(parts) or '""', "text", bare=len(parts) == 1)


def all_printed(call: Call, scope: Scope) -> str:
    return " ~ ".join(printed(value_of(each, scope)).operand for each in call.arguments)


def formatted(call: Call, scope: Scope) -> list[str | Value]:
    """The format of a printf as texts and values, in order."""
    layout, *arguments = call.arguments
    if not isinstance(layout, Literal) or not isinstance(layout.value, str):
        raise Untranslatable("the format of printf is not written there")
    values = [value_of(each, scope) for each in arguments]
    found: list[str | Value] = []
    at = 0
    for verb in _VERB.finditer(layout.value):
        found.append(layout.value[at : verb.start()])
        found.append("%" if verb[0] == "%%" else _verb(verb[0], values))
        at = verb.end()
    found.append(layout.value[at:])
    if values:
        raise Untranslatable("printf has more values than its format")
    return [part for part in found if part != ""]


def _verb(verb: str, values: list[Value]) -> Value:
    if not values:
        raise Untranslatable("printf has fewer values than its format")
    value = values.pop(0)
    if verb in ("%s", "%v", "%d"):
        return printed(value)
    if verb == "%q":
        return Value(f"{_piped(value)} | toJson", "text", bare=False)
    raise Untranslatable(f"printf's {verb} has no counterpart here")
