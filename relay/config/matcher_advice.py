"""Advice for texts that people write as matchers by mistake."""

import re

from relay.core.routing.matcher import Matcher

_COLON = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:\s*(.*\S)\s*")
_DOUBLED = re.compile(r"\s*([A-Za-z_][\w.]*)\s*==\s*(.*\S)\s*")
_TYPOGRAPHIC = re.compile(r"[“”„‟«»‘’‚‹›＂]\s?(.*?)\s?[“”„‟«»‘’‚‹›＂]", re.DOTALL)
_OPERATORS = {"": "=", "=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}


def instead_of(text: str) -> str:
    """The matcher that a text in another form means, such as `severity: critical`; else empty."""
    found = _COLON.fullmatch(text)
    return str(Matcher(found[1], "=", found[2].strip("\"'"))) if found else ""


def advice_on(text: str, matchers: tuple[Matcher, ...], warning: str) -> str:
    """Why a text that is a matcher hardly means what it says, and what to write instead; else the
    parser's own `warning`.
    """
    doubled = _DOUBLED.fullmatch(text)
    if doubled:
        meant = Matcher(doubled[1], "=", doubled[2].strip("\"'"))
        return f'the value begins with "=" here: did you mean {meant}?'
    for matcher in matchers:
        doubt = doubtful(matcher)
        if doubt:
            return doubt
    return warning


def doubtful(matcher: Matcher) -> str:
    """Why a matcher probably matches nothing that was meant; else empty."""
    value = matcher.value
    if len(value) > 1 and value[0] == value[-1] == "'":
        meant = Matcher(matcher.name, matcher.op, value[1:-1])
        return f"single quotes are a part of the value: did you mean {meant}?"
    if bare := _TYPOGRAPHIC.fullmatch(value):
        meant = Matcher(matcher.name, matcher.op, bare[1])
        return f"typographic quotes are a part of the value: did you mean {meant}?"
    if matcher.op in ("=", "!=") and re.search(r"[*|]", value):
        op = "=~" if matcher.op == "=" else "!~"
        pattern = ".*" if value == "*" else value
        instead = Matcher(matcher.name, op, pattern)  # type: ignore[arg-type] # one of four
        sign = _sign(value)
        return f"{matcher.op} compares the text as it is, with its {sign}: did you mean {instead}?"
    return ""


def _sign(value: str) -> str:
    return "*" if "*" in value else "|"


def of_mapping(value: object) -> str:
    """The matcher that a mapping means: the form of an AlertmanagerConfig, or one label."""
    if not isinstance(value, dict):
        return ""
    name, text = value.get("name"), value.get("value")
    if isinstance(name, str) and isinstance(text, str | int):
        op = _OPERATORS.get(str(value.get("matchType", "=")), "=")
        op = "=~" if value.get("regex") is True else op
        return str(Matcher(name, op, str(text)))  # type: ignore[arg-type] # one of four
    if len(value) == 1:
        ((label, text),) = value.items()
        if isinstance(text, str | int):
            return str(Matcher(str(label), "=", str(text)))
    return ""
