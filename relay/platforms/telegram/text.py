"""Rich text in Telegram's form: text plus entities. Nothing in the text itself becomes a link or
command.

Whatever Telegram would detect in the text (facts of td/telegram/MessageEntity.cpp in tdlib/td)
becomes code, which prevents that, looks right for a host name or path and copies unchanged. Only if
a message has no entity left an invisible word joiner breaks it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from msgspec import Struct

from relay.core.text.richtext import (
    Kind,
    RichText,
    Span,
    concat,
    cut,
    normalise,
    strip,
    styled,
)
from relay.platforms.link import public, spelled

MOST_ENTITIES = 100
_JOINER = "\u2060"
_PASSES = 4
_REMEMBERED = 100  # characters of a word


class User(Struct, frozen=True):
    """The user whom a `text_mention` notifies. Telegram reads only the id; its documentation
    requires the rest.
    """

    id: int
    is_bot: bool
    first_name: str


class Entity(Struct, frozen=True, gc=False, omit_defaults=True):
    """A style of a message; offset and length are UTF-16 code units.
    https://core.telegram.org/bots/api#messageentity
    """

    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""
    user: User | None = None
    unix_time: int | None = None
    date_time_format: str = ""


_TYPES: dict[Kind, str] = {
    "mention": "text_mention",
    "fold": "expandable_blockquote",
    "quote": "blockquote",
    "pre": "pre",
    "link": "text_link",
    "code": "code",
    "time": "date_time",
    "heading": "bold",
    "bold": "bold",
    "underline": "underline",
    "strikethrough": "strikethrough",
    "spoiler": "spoiler",
    "subtext": "italic",
    "italic": "italic",
}  # the most important first (see `_most_important`)
# A command of our own has no entity: Telegram detects it, if no other entity covers it.
_RANK: dict[Kind, int] = {kind: rank for rank, kind in enumerate(("command", *_TYPES))}
_GUARD, _LOOKS = _RANK["link"] - 0.5, _RANK["link"] + 1
_GUARDING: frozenset[Kind] = frozenset({"code", "pre", "link", "mention", "command"})

# What td's find_* functions take for a link, an e-mail address, a command and so on, or a little
# more than that.
_OUTSIDE = r"\x7f-\xbf\s\u2000-\u200b\u200e-\u200f\u2016-\u206f"
# with digits, `-`, `_` and `~`
_LABEL = rf"[^\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7d{_OUTSIDE}]"
_LETTER = rf"[^\x00-\x40\x5b-\x60\x7b-\x7e{_OUTSIDE}]"
_HOST_STARTS = rf"(?<!{_LABEL})(?<!\.)"
_START = rf"(?:(?<![\w.+:~-])[\w.+:~-]{{1,64}}@)?{_HOST_STARTS}"
_IP = rf"(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?!{_LABEL})"
_DOMAIN = rf"(?:{_LABEL}++\.)+(?:xn--[A-Za-z0-9]+|{_LETTER}{{2,}}(?!{_LABEL}))"
_TAIL = r"(?::\d+)?(?:[/?#][^\s<>\"«»]{0,2048}[^\s<>\"«».:;,()\]}'?!`])?"
_AUTOMATIC = re.compile(
    "|".join(
        (
            # addresses
            r"(?<![A-Za-z0-9+-])[A-Za-z0-9+-]+://[^\s<>\"«»]{0,2048}[^\s<>\"«».:;,()\]}'?!`]",
            rf"{_START}{_IP}{_TAIL}",
            rf"{_START}{_DOMAIN}{_TAIL}",
            r"(?<![A-Za-z0-9_])@[A-Za-z0-9_]{3,}",  # mentions
            r"(?<![A-Za-z0-9_/<>])/[A-Za-z0-9_]++(?![/<>])",  # commands
            r"(?<![A-Za-z0-9_])#(?!\d+(?:[\s.,;:!?)]|$))[^\s#\u2060]\S{0,256}",  # hashtags
            r"(?<![A-Za-z0-9_$])\$(?:1INCH|[A-Z]+)(?![A-Za-z0-9_$])",  # cashtags
        )
    )
)
# The same for a word without any of `_SIGNS`, which is faster.
_DOTTED = re.compile(rf"{_HOST_STARTS}{_IP}{_TAIL}|{_HOST_STARTS}{_DOMAIN}{_TAIL}")
_SIGNS = frozenset("@/#$")
_WORDS = re.compile(r"(?<!\S)[^\s.@/#$]*+[.@/#$](?=\S)\S*")  # no other word can hold one of these
_BANK_CARDS = re.compile(r"\d(?<!\d\d)(?=[\d -]{12})(?:[ -]{0,8}\d){12,18}")
_WIDE = re.compile("[\U00010000-\U0010ffff]")  # two UTF-16 code units
_BREAKS = re.compile(r"[.@/#$:]|(?:\d[ -]*){6}")
# Telegram turns some controls into spaces and removes the others, which would join the characters
# on both sides.
_REMOVED = {
    **dict.fromkeys([*range(9), *range(11, 32)], " "),
    **dict.fromkeys([0x0D, *range(0x202A, 0x202F), 0x030A, 0x0333, 0x033F], _JOINER),
    **dict.fromkeys((0x2028, 0x2029), "\n"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_CHANGED = re.compile("[\x00-\x08\x0b-\x1f\u030a\u0333\u033f\u2028-\u202e\ud800-\udfff]")


@lru_cache(maxsize=64)  # a message is measured, then sent
def write(rich: RichText) -> tuple[str, tuple[Entity, ...]]:
    """The text and its entities, at most `MOST_ENTITIES`, for a call without `parse_mode`."""
    rich = _prepared(rich)
    found = [Span("code", start, end) for start, end in _unguarded(rich)]
    if found:
        rich = normalise(RichText(rich.text, (*rich.spans, *found)))
    if len(rich.spans) > MOST_ENTITIES:
        rich = _broken(RichText(rich.text, _most_important(rich)))
    return rich.text, tuple(_entities(rich))


def _most_important(rich: RichText) -> tuple[Span, ...]:
    """As many styles as Telegram accepts: those of the head, which everyone reads; those that
    change what a text does or how it folds; code that keeps Telegram from detecting something;
    links; then the others in order.
    """
    head = rich.text.find("\n")
    found = _merged(sorted(_automatic(rich.text)))
    starts, ends = [start for start, _ in found], [end for _, end in found]

    def importance(span: Span) -> tuple[bool, float, int]:
        guards = span.kind == "code" and bisect_right(ends, span.start) < bisect_left(
            starts, span.end
        )
        rank = _GUARD if guards else min(_RANK[span.kind], _LOOKS)
        return span.start > head, rank, span.start

    return tuple(sorted(rich.spans, key=importance)[:MOST_ENTITIES])


_ENDS_NO_ADDRESS = tuple(".,:;!?'\"*~`")
_ENDS_ADDRESS = re.compile(r"\n|(?![\0-\x1f\x7f-\x9f])\s")  # a control character ends none


def write_plain(rich: RichText) -> str:
    """The text alone, for a call without entities. Links show their address, which Telegram
    detects; the rest of the text does not touch it.
    """
    shown: list[RichText | str] = []
    position = 0
    for span in map(_spelled, rich.spans):
        text = rich.text[span.start : span.end].strip()
        if span.kind == "link" and text and public(span.value) and span.start >= position:
            named = "" if text.rstrip("/") == span.value.rstrip("/") else f"{text}: "
            before = rich.text[position : span.start]
            gap = " " if before and not before[-1].isspace() else ""
            address = whole_address(span.value)
            shown += (before, gap, named, styled("link", address, address))
            position = span.end
            shown.append("" if _ENDS_ADDRESS.match(rich.text, position) else " ")
    return _broken(_prepared(concat([*shown, rich.text[position:]]))).text


def whole_address(url: str) -> str:
    """The address in a form that Telegram detects as a whole: it leaves out unbalanced closing
    brackets and a punctuation mark at the end.
    """
    escaped = url.replace("(", "%28").replace(")", "%29").replace("[", "%5B").replace("]", "%5D")
    last = escaped[-1:]
    return f"{escaped[:-1]}%{ord(last):02X}" if last in _ENDS_NO_ADDRESS else escaped


def kept(text: str) -> str:
    """The characters that Telegram keeps, one for each."""
    return text.translate(_REMOVED) if _CHANGED.search(text) else text


def _prepared(rich: RichText) -> RichText:
    """The text with only characters that Telegram keeps, without white space at its ends, with
    links that it keeps. Other links show their address.
    """
    text = kept(rich.text)
    spans = [
        s
        for s in map(_spelled, rich.spans)
        if s.kind in _RANK and (s.kind != "mention" or s.value.startswith("user:"))
    ]
    lost = [s for s in spans if s.kind == "link" and not public(s.value)]
    rest = RichText(text, tuple(s for s in spans if s not in lost) if lost else tuple(spans))
    for span in reversed(lost):
        if span.value and span.value.rstrip("/") != text[span.start : span.end].rstrip("/"):
            after = cut(rest, span.end, len(rest.text))
            rest = concat([cut(rest, 0, span.end), f" ({span.value})", after])
    return strip(normalise(rest) if lost else rest)


def _spelled(span: Span) -> Span:
    if span.kind != "link" or (address := spelled(span.value)) == span.value:
        return span
    return Span("link", span.start, span.end, address)


def _unguarded(rich: RichText) -> list[tuple[int, int]]:
    """Where Telegram would detect something that none of our spans prevents."""
    found = _merged(sorted(_automatic(rich.text)))
    if not found:
        return []
    guards = _merged(
        sorted((span.start, span.end) for span in rich.spans if span.kind in _GUARDING)
    )
    starts, ends = [guard[0] for guard in guards], [guard[1] for guard in guards]
    free: list[tuple[int, int]] = []
    for start, end in found:
        within = guards[bisect_right(ends, start) : bisect_left(starts, end)]
        edges = [start, *(edge for guard in within for edge in guard), end]
        free += [
            (left, right)
            for left, right in zip(edges[::2], edges[1::2], strict=True)
            if left < right
        ]
    return free


def _automatic(text: str) -> Iterator[tuple[int, int]]:
    """Where Telegram may detect something, also within another such place."""
    for found in _WORDS.finditer(text):
        word, before = found[0], found.start()
        known = len(word) <= _REMEMBERED
        within = _in_word(word) if known else _in_word.__wrapped__(word)
        for start, end in within:
            yield before + start, before + end
    yield from _all(_BANK_CARDS, text)


@lru_cache(maxsize=2048)  # hosts, paths and numbers return
def _in_word(word: str) -> tuple[tuple[int, int], ...]:
    """Where Telegram may detect something in it; what follows within a last such place adds
    nothing.
    """
    places: list[tuple[int, int]] = []
    for place in _all(_DOTTED if _SIGNS.isdisjoint(word) else _AUTOMATIC, word):
        places.append(place)
        if place[1] == len(word):
            break
    return tuple(places)


def _all(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where the pattern matches, overlapping matches included."""
    start = 0
    while match := pattern.search(text, start):
        yield match.span()
        start = match.start() + 1


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sorted ranges, with those that overlap joined."""
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _broken(rich: RichText) -> RichText:
    """The text with word joiners at all places that are still unguarded. Places that such a place
    hid may show only then.
    """
    for _ in range(_PASSES):
        joints = [
            start + broken.end()
            for start, end in _unguarded(rich)
            for broken in _BREAKS.finditer(rich.text[start:end])
        ]
        if not joints:
            break
        text = _JOINER.join(
            rich.text[start:end] for start, end in pairwise([0, *joints, len(rich.text)])
        )
        rich = RichText(text, tuple(_moved(span, joints) for span in rich.spans))
    return rich


def _moved(span: Span, joints: list[int]) -> Span:
    start, end = (offset + bisect_left(joints, offset) for offset in (span.start, span.end))
    return Span(span.kind, start, end, span.value)


def _entities(rich: RichText) -> Iterator[Entity]:
    spans = [span for span in rich.spans if span.kind in _TYPES]
    text, ordered = rich.text, sorted(spans, key=lambda span: (span.start, -span.end))
    wide = [] if text.isascii() else [found.start() for found in _WIDE.finditer(text)]
    for span in ordered:
        start = span.start + bisect_left(wide, span.start)
        yield _entity(span, start, span.end + bisect_left(wide, span.end) - start, text)


def _entity(span: Span, offset: int, length: int, text: str) -> Entity:
    kind = _TYPES[span.kind]
    match span.kind:
        case "link":
            return Entity(kind, offset, length, url=span.value)
        case "pre":
            return Entity(kind, offset, length, language=span.value)
        case "time":
            moment, _, form = span.value.partition(":")
            return Entity(kind, offset, length, unix_time=int(moment), date_time_format=form)
        case "mention":
            user = User(
                int(span.value.removeprefix("user:")),
                is_bot=False,
                first_name=text[span.start : span.end],
            )
            return Entity(kind, offset, length, user=user)
        case _:
            return Entity(kind, offset, length)
