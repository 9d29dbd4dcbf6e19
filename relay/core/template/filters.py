"""The filters and functions of templates, under the names that Alertmanager and Prometheus use."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import quote, unquote

import re2
from jinja2 import filters as jinja
from jinja2 import pass_context
from jinja2.runtime import Context

from relay.core.duration import parse_duration
from relay.core.template import links
from relay.core.template.cost import size
from relay.core.template.numbers import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    number,
    rounded,
)
from relay.core.template.sandbox import MAX_TEXT, TooCostlyError, run_of, shown, text
from relay.core.text import richtext
from relay.core.text.markup_value import read_html, read_markdown
from relay.core.text.richtext import RichText, styled
from relay.core.text.times import Duration, Reader, Time

_GO_GROUP = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
# Words as in Unicode's text segmentation, which Go's `cases.Title` follows: an apostrophe or a dot
# within letters belongs to a word, a hyphen does not.
_WORD = re.compile(r"\w+(?:['’.:]\w+)*")
_MOST_ITEMS = 10_000
_LONGEST_PATTERN = 1_000
_LONGEST_ESCAPED = 1 << 20
_LONGEST_ADDRESS = 1 << 16
_SEARCHED = 4096  # characters, times the parts of a pattern, that cost a step
_FIND, _MOST_REPLACED = 100, 1 << 20  # characters: the cost of a match, and the most of all
_READ = 16  # characters of a value that is read as markup, per step
_WRITTEN = {"html": read_html, "markdown": read_markdown}
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20  # bytes of a compiled pattern; a larger one takes too long to compile


Charge = Callable[[int], None]


def join(values: Iterable[object], separator: object = "", attribute: str = "") -> RichText | str:
    """The printed values with the separator between every two; styles are kept."""
    if isinstance(values, (str, RichText)):
        return values
    if attribute:
        raise TypeError(f"join has no attribute: write | map(attribute={attribute!r}) | join(...)")
    parts = [shown(value) for value in values]
    between = shown(separator)
    if sum(map(size, parts)) + size(between) * len(parts) > MAX_TEXT:
        raise TooCostlyError("join makes a text that is too large")
    if isinstance(between, str) and all(isinstance(part, str) for part in parts):
        return between.join(map(text, parts))
    return richtext.join(between, parts)


def concatenated(parts: list[object]) -> RichText | str:
    """The operator `~`: texts joined, styles kept, sizes bounded."""
    return join([shown(part) for part in parts])


def flat(values: Any) -> Any:
    """A literal list, tuple or mapping. It may not contain another one, since nested ones grow
    without end.
    """
    items = values.values() if isinstance(values, dict) else values
    if any(isinstance(item, (list, tuple, dict)) for item in items):
        raise TypeError("a list in a list: keep lists flat")
    return values


def title(value: object) -> str:
    """Every word with a capital, the rest in lower case, as Alertmanager's `title` does it
    (template/template.go, `cases.Title`).
    """
    return _WORD.sub(lambda found: found[0][:1].upper() + found[0][1:].lower(), text(value))


@lru_cache(maxsize=256)
def _regex(pattern: str) -> Any:
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(
            f"a regular expression of {len(pattern)} characters: at most {_LONGEST_PATTERN}"
        )
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise ValueError(f"bad regular expression {pattern!r}: {error}") from None


def _priced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, at the price of each new pattern of a rendering and of the text searched."""

    @pass_context
    def priced(context: Context, value: object, pattern: str, *rest: str) -> Any:
        run = run_of(context)
        run.learn(pattern)
        return function(value, pattern, *rest, charge=run.charge)

    return priced


def match(value: object, pattern: str, *, charge: Charge) -> bool:
    """Whether the RE2 pattern matches anywhere in the text."""
    regex, source = _regex(pattern), text(value)
    charge(_search(regex, len(source)))
    return regex.search(source) is not None


def _search(regex: Any, length: int) -> int:
    """Steps for a search through so many characters: at worst RE2 follows each part of the pattern
    at each character.
    """
    steps: int = length * regex.programsize // _SEARCHED
    return steps


def re_replace_all(value: object, pattern: str, replacement: str, *, charge: Charge) -> str:
    """Every match of the RE2 pattern replaced; `$1`, `${1}` and `${name}` stand for groups."""
    regex, source = _regex(pattern), text(value)
    size = 0
    charge(_search(regex, len(source)))

    def one(found: Any) -> str:
        nonlocal size
        charge(_search(regex, len(source) - found.end()))
        replaced = _GO_GROUP.sub(lambda name: _group(found, name), replacement)
        size += _FIND + len(replaced)
        if size > _MOST_REPLACED:
            raise TooCostlyError("reReplaceAll finds too much, or makes a text that is too large")
        return replaced

    return str(regex.sub(one, source))


def _group(found: Any, name: re.Match[str]) -> str:
    wanted = name[1] or name[2]
    if wanted is None:
        return "$"
    try:
        return found.group(int(wanted) if wanted.isdigit() else wanted) or ""
    except (IndexError, KeyError):
        return ""


def replace(value: object, old: str, new: str) -> str:
    """Every `old` replaced by `new`."""
    source = text(value)
    if len(source) + source.count(old) * len(new) > MAX_TEXT:
        raise TooCostlyError("replace makes a text that is too large")
    return source.replace(old, new)


def to_json(value: object) -> str:
    """JSON of a text, number, list or mapping."""
    return json.dumps(_plain(value, 4), ensure_ascii=False, sort_keys=True)


def _plain(value: object, depth: int) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, RichText, Time)):
        return text(value)
    if depth == 0:
        raise TypeError("toJson: nested too deep")
    items = getattr(value, "items", None)
    if callable(items):
        return {str(key): _plain(item, depth - 1) for key, item in items()}
    if isinstance(value, (list, tuple)) and len(value) <= _MOST_ITEMS:
        return [_plain(item, depth - 1) for item in value]
    raise TypeError(f"toJson: a {type(value).__name__.lower()} has no JSON form")


def safe_url(value: object) -> str:
    """The address if it is http or https, else an empty text."""
    found = text(value)
    return richtext.address(found) if len(found) <= _LONGEST_ADDRESS else ""


def url_escape(value: object) -> str:
    """The text with all characters that have a meaning in an address percent-encoded."""
    return quote(_escapable(value), safe="", errors="replace")


def url_unescape(value: object) -> str:
    """The text without percent-encoding."""
    return unquote(_escapable(value))


def _escapable(value: object) -> str:
    found = text(value)
    if len(found) > _LONGEST_ESCAPED:
        raise TooCostlyError(f"an address of {len(found)} characters: at most {_LONGEST_ESCAPED}")
    return found


def base64_encode(value: object) -> str:
    """Base64 in the URL-safe alphabet, as Alertmanager's."""
    return base64.urlsafe_b64encode(text(value).encode("utf-8", "replace")).decode()


def base64_decode(value: object) -> str:
    """The text of URL-safe base64."""
    return base64.urlsafe_b64decode(text(value)).decode("utf-8", "replace")


@pass_context
def code(context: Context, value: object) -> RichText:
    """Monospaced, within the line."""
    return styled("code", text(run_of(context).fitted(value)))


@pass_context
def bold(context: Context, value: object) -> RichText:
    """In bold."""
    return styled("bold", run_of(context).fitted(value))


@pass_context
def italic(context: Context, value: object) -> RichText:
    """In italics."""
    return styled("italic", run_of(context).fitted(value))


@pass_context
def link(context: Context, value: object, url: object) -> RichText:
    """The text as a link to the address, after `link_rewrites`, if the address works from
    outside.
    """
    address = links.outside(text(url), run_of(context).rewrites)
    content = run_of(context).fitted(value)
    if address:
        return styled("link", content, address)
    return RichText(content) if isinstance(content, str) else content


@pass_context
def markup(context: Context, value: object, written: str = "html") -> RichText:
    """The value with the styles and links that its author wrote in a small subset of HTML or
    Markdown. Only links that work from outside are kept.
    """
    if written not in _WRITTEN:
        raise ValueError(f"no markup {written!r}: write markup or markup('markdown')")
    run, source = run_of(context), text(value)
    run.charge(len(source) // _READ)
    return links.followed(_WRITTEN[written](source), run.rewrites)


def string_slice(*values: str) -> list[str]:
    """A list of texts."""
    return list(values)


@pass_context
def moment(context: Context, value: object) -> Time:
    """A time from Unix seconds."""
    return value if isinstance(value, Time) else run_of(context).reader.time(number(value))


@pass_context
def date(context: Context, value: object, layout: str) -> str:
    """A time in a Go layout."""
    run = run_of(context)
    run.charge(len(layout) // 4)
    return _moment(run.reader, value).date(layout)


@pass_context
def tz(context: Context, value: object, zone: str) -> Time:
    """The same time in another zone."""
    return _moment(run_of(context).reader, value).tz(zone)


@pass_context
def clock(context: Context, value: object) -> str:
    """`12:04` in the receiver's zone."""
    return _moment(run_of(context).reader, value).date("15:04")


@pass_context
def since(context: Context, value: object) -> Duration:
    """How long ago a time is."""
    reader = run_of(context).reader
    return reader.duration(reader.now - _moment(reader, value).unix)


@pass_context
def duration(context: Context, value: object) -> Duration:
    """Seconds that print as `1 h 12 min`."""
    return run_of(context).reader.duration(number(value))


def _moment(reader: Reader, value: object) -> Time:
    return value if isinstance(value, Time) else reader.time(number(value))


def _safe_html(_value: object) -> NoReturn:
    raise TypeError("values are escaped automatically: leave safeHtml out")


FILTERS: Mapping[str, Callable[..., Any]] = {
    # Alertmanager's (template/template.go) and Prometheus' (template/template.go)
    "toUpper": lambda value: text(value).upper(), "toLower": lambda value: text(value).lower(),
    "title": title,
    "trimSpace": lambda value: text(value).strip(), "join": join,
    "match": _priced(match), "reReplaceAll": _priced(re_replace_all),
    "stringSlice": string_slice, "date": date, "tz": tz, "since": since, "humanize": humanize,
    "humanize1024": humanize1024, "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
    "humanizeTimestamp": moment, "toJson": to_json,
    "parseDuration": lambda value: parse_duration(text(value)), "safeUrl": safe_url,
    "urlUnescape": url_unescape, "safeHtml": _safe_html,
    "base64encode": base64_encode, "base64decode": base64_decode, "toDate": moment,
    # ours
    "time": moment, "clock": clock, "duration": duration, "code": code, "bold": bold,
    "italic": italic, "link": link, "markup": markup,
    "urlescape": url_escape,
    # Jinja's, those that cannot grow
    "upper": lambda value: text(value).upper(), "lower": lambda value: text(value).lower(),
    "trim": lambda value: text(value).strip(), "capitalize": lambda value: text(value).capitalize(),
    "replace": replace, "string": text, "round": rounded, "tojson": to_json, "abs": abs,
    "int": jinja.do_int,
    "float": jinja.do_float, "length": len, "count": len, "default": jinja.do_default,
    "d": jinja.do_default,
    "first": jinja.do_first, "last": jinja.do_last, "list": list, "sort": jinja.do_sort,
    "unique": jinja.do_unique,
    "reverse": lambda values: list(values)[::-1], "map": jinja.do_map, "select": jinja.do_select,
    "reject": jinja.do_reject, "selectattr": jinja.do_selectattr, "rejectattr": jinja.do_rejectattr,
    "groupby": jinja.do_groupby, "min": jinja.do_min, "max": jinja.do_max,
    "dictsort": jinja.do_dictsort,
    "truncate": jinja.do_truncate,
    # what the guard puts in place of `~` and of literals
    "_concat": concatenated, "_flat": flat,
}  # fmt: skip
FUNCTIONS: Mapping[str, object] = {
    "stringSlice": string_slice, "code": code, "bold": bold, "italic": italic, "link": link,
    "time": moment,
    "duration": duration,
}  # fmt: skip
