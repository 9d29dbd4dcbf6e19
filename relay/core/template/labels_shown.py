"""What a line about an alert shows: its mark, what is wrong, and how bad."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from relay.core.card.severity import color as severity_color
from relay.core.card.subject import one_line, severity_word
from relay.core.card.view import AlertView

__all__ = [
    "Details", "color", "figure", "mark", "names", "one_line", "severities", "summary", "wrong"
]  # fmt: skip

RED, ORANGE, BLUE, GREEN, GREY = 0xE01E5A, 0xF2871B, 0x3B88C3, 0x2EB67D, 0x99AAB5
# Annotations that are links, or settings of other tools, and not texts of the author.
_NO_TEXT = re.compile(r"(?i)url|uri|link|runbook|dashboard|panel|grafana|^__|image|icon")
_USUAL = ("summary", "description", "message")
_TEXTS = ("title", "text", "info", "details", "msg")  # names that say nothing by themselves
_LABELS = re.compile(r"\s*\bLABELS?\s*[:=]\s*[^\n]*")
_VALUE = re.compile(r"(?:(?<!\.)\.)?\s*\bVALUE\s*[:=]\s*([^\s,]+)")
_INSTANCE = re.compile(r"\s*\(instance\s*([^()\s]*)\s*\)")
_TWICE = re.compile(r"(?<![^\s\"'(])([\w.-]{2,80})/\1(?![\w./-])")
_SLASHED = re.compile(r"[\w.-]/[\w.-]")
_MAP = re.compile(r"\s*map\[[^\]\n]*\]")
# A digit, or a dash before one, with nothing before it that could belong to a name; then a unit or
# decimals. It begins with a class of characters, which is found fast.
_FIGURE = re.compile(
    r"[-\d](?<![\w.:/-][-\d])(?:(?<=\d)|(?=\d))"
    r"(?:[\d.,]*\s?(?:%|°C|[kKMGT]i?B\b|ms\b|s\b)|\d*\.\d+(?![\w.:/-]))"
)
_WORDS = re.compile(r"[^\W_]+(?:\.\d+)?%?")
_PLAIN_WORDS = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?%?")  # the same in ASCII, which is faster
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMPTY_WORDS = frozenset({
    "a", "an", "and", "are", "at", "be", "been", "by", "for", "from", "has", "have",
    "in", "is", "it", "its", "more", "of", "on", "or", "than", "that", "the", "their",
    "this", "to", "was", "were", "will", "with",
})  # fmt: skip
_NEW_WORDS = 0.34  # fraction of its words: a text with so many new words adds something
_SEEN = 6000  # characters of an annotation that are read
_REMEMBERED = 100  # characters of a name
_ALL_REMEMBERED = 2000  # characters of an alert whose details are remembered


class Details(Struct, frozen=True):
    """What is wrong: the text that says most, what the other one adds to it (or empty), and the
    figure.
    """

    text: str
    more: str = ""
    figure: str = ""


def mark(status: str, severity: str) -> str:
    """🔴 critical and its like, 🟠 warning and unknown words, 🔵 info, 🟢 resolved, ⚪ no longer
    reported.
    """
    if status == "resolved":
        return "🟢"
    if status == "gone":
        return "⚪"
    return severity_color(severity)


def color(sign: str) -> int:
    """The colour of a mark, as 0xRRGGBB."""
    return {"🔴": RED, "🟠": ORANGE, "🟢": GREEN, "⚪": GREY}.get(sign, BLUE)


def summary(annotations: Mapping[str, str], name: str) -> str:
    """What is wrong: the summary, else the description, else the message, else another annotation,
    else the alert's name.
    """
    found = (annotations.get(key, "").strip() for key in ("summary", "description", "message"))
    return next((text for text in found if text), "") or _others(annotations) or name


def wrong(
    annotations: Mapping[str, str],
    labels: Mapping[str, str],
    told: Sequence[str] = (),
    value: str = "value",
    *,
    brief: bool = False,
) -> Details:
    """Of summary and description the one that says more: it has a figure, or names a value of
    `told`. The other one is left out if it adds no word to that one and the alert's name, or in
    `brief`. `value` is the word before Prometheus' `VALUE`.
    """
    alert = (tuple(annotations.items()), tuple(labels.items()))
    size = sum([len(name) + len(text) for pairs in alert for name, text in pairs])
    few = size + sum(map(len, told)) <= _ALL_REMEMBERED
    return (_wrong if few else _wrong.__wrapped__)(*alert, tuple(told), value, brief)


@lru_cache(maxsize=512)  # a card is told several times
def _wrong(
    annotated: tuple[tuple[str, str], ...],
    labelled: tuple[tuple[str, str], ...],
    told: tuple[str, ...],
    value: str,
    brief: bool,  # noqa: FBT001 - of a function that remembers
) -> Details:
    annotations, labels = dict(annotated), dict(labelled)
    first = _cleaned(annotations.get("summary", ""), labels, value)
    second = _cleaned(
        annotations.get("description", "") or annotations.get("message", ""), labels, value
    )
    others = _others(annotations)
    if not first and not second:
        found = figure(annotations, labels, value)
        return Details(others or found, "", found)
    described = annotations.get("description", "")[:_SEEN]
    valued = bool(second) and "VALUE" in described and bool(_VALUE.search(described))
    says_more = _says(second, told) + 2 * valued > _says(first, told)
    better, other = (second, first) if says_more else (first, second)
    if not better:
        better, other = other, ""
    full_stop = better.endswith(".") and not better.endswith("..")
    text = better[:-1] if full_stop else better
    found = figure(annotations, labels, value)
    if brief:
        return Details(text, "", found)
    known = (better, _spaced(labels.get("alertname", "")), *told)
    more = other if other and _adds(other, known) else ""
    return Details(text, "\n".join(filter(None, (more, others))), found)


def _adds(other: str, told: Sequence[str]) -> bool:
    """Whether many words of the text are not among those that are told."""
    words = _words(other)
    new = words - _words(" ".join(told))
    return bool(new) and len(new) >= _NEW_WORDS * len(words)


def _spaced(name: str) -> str:
    """The name with its words apart."""
    return _known_spaced(name) if len(name) <= _REMEMBERED else _CAMEL.sub(" ", name)


@lru_cache(maxsize=1024)
def _known_spaced(name: str) -> str:
    return _CAMEL.sub(" ", name)


def figure(annotations: Mapping[str, str], labels: Mapping[str, str], value: str = "value") -> str:
    """The number that says how bad it is: Prometheus' `VALUE`, else the last number with a unit in
    the description that no label contains; empty if there is none.
    """
    if grafanas := annotations.get("__values__", ""):
        return f"{value} {grafanas.partition(',')[0].partition('=')[2]}"
    texts = [annotations.get(key, "")[:_SEEN] for key in ("description", "message", "summary")]
    for text in texts:
        if "VALUE" in text and (found := _VALUE.search(text)):
            return f"{value} {one_line(found[1])[:20]}"
    summed = annotations.get("summary", "")[:_SEEN]
    held = " ".join(labels.values()) if len(labels) < 100 else ""
    for text in texts:
        hits = [hit.strip() for hit in _FIGURE.findall(text)]
        fresh = [hit for hit in hits if hit not in held and (text is summed or hit not in summed)]
        if fresh:
            return one_line(next((hit for hit in fresh if "." in hit and hit[-1] == "%"), fresh[0]))
    return ""


def names(alerts: Iterable[AlertView], status: str) -> list[str]:
    """The names of the alerts in that state, each once, in their order; an empty name for those
    without one.
    """
    found = (alert.labels.get("alertname", "") for alert in alerts if alert.status == status)
    return [one_line(name) for name in dict.fromkeys(found)]


def severities(alerts: Iterable[AlertView]) -> list[tuple[str, int]]:
    """How many alerts there are of each severity (firing ones) or state, in the order of their
    occurrence.
    """
    counts: dict[str, int] = {}
    for alert in alerts:
        word = (
            severity_word(alert.labels.get("severity", "")) or "firing"
            if alert.status == "firing"
            else alert.status
        )
        counts[word] = counts.get(word, 0) + 1
    return list(counts.items())


def _others(annotations: Mapping[str, str]) -> str:
    """Annotations under names that the author chose: titles and texts first, the others by name."""
    found = [
        (name, text.strip())
        for name, text in annotations.items()
        if name not in _USUAL and _is_text(name) and text.strip()
    ]
    if not found:
        return ""
    found.sort()
    texts = [text for each in _TEXTS for name, text in found if name.lower() == each]
    named = [f"{one_line(name)}: {text}" for name, text in found if name.lower() not in _TEXTS]
    if not texts and len(found) == 1 and not any(annotations.get(name) for name in _USUAL):
        return found[0][1]
    return "\n".join((*texts, *named))


def _is_text(name: str) -> bool:
    """Whether an annotation of that name is a text of the author."""
    return _known_text(name) if len(name) <= _REMEMBERED else not _NO_TEXT.search(name)


@lru_cache(maxsize=1024)
def _known_text(name: str) -> bool:
    return not _NO_TEXT.search(name)


def _cleaned(text: str, labels: Mapping[str, str], value: str) -> str:
    """The text without dumps of Prometheus' templates, and without what the head shows."""
    if len(text) > _SEEN:
        return text.strip()
    # Few texts contain one of these; searching for the word first is much faster.
    if "LABEL" in text:
        text = _LABELS.sub("", text)
    if "VALUE" in text:
        text = _VALUE.sub(lambda found: f", {value} {found[1]}", text)
    if "(instance" in text:
        known = set(labels.values()) | {""}
        text = _INSTANCE.sub(lambda found: "" if found[1] in known else found[0], text)
    if "map[" in text:
        text = _MAP.sub("", text)
    if "/" in text and _SLASHED.search(text):
        # Most jobs are named like their service: `of the checkout/checkout targets`.
        values = labels.values()
        text = _TWICE.sub(lambda found: found[1] if found[1] in values else found[0], text)
    if text.isprintable():  # it has one line
        return text.strip().removeprefix(", ")
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return "\n".join(lines).strip().removeprefix(", ")


def _says(text: str, told: Sequence[str]) -> int:
    if not text:
        return -1
    return 2 * bool(_FIGURE.search(text)) + any(value in text for value in told if len(value) > 2)


def _words(text: str) -> set[str]:
    found = (
        set(_PLAIN_WORDS.findall(text.lower()))
        if text.isascii()
        else {word.lower() for word in _WORDS.findall(text)}
    )
    return {word.removesuffix("s") if len(word) > 3 else word for word in found - _EMPTY_WORDS}
