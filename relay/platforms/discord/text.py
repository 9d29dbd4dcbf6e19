"""Rich text as Discord's Markdown. Nothing in the text itself becomes markup, a mention, an emoji
or a link.

https://support.discord.com/hc/en-us/articles/210298617 and
https://docs.discord.com/developers/reference
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from relay.core.text.richtext import RichText, Span, cut, strip, without
from relay.platforms.link import spelled

_GAP = "\u200b"  # between two markers that would read as another one
_SPECIAL = re.compile(
    r"[\\*~|`\[\]]"  # styles, code, masked links
    # Discord ignores it within a word, and a push notification would show the escape: `worker_3`
    # stays as it is.
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    r"|<(?=[@#:/+A-Za-z])"  # mentions, custom emoji, times, links
    r"|@(?=everyone|here)"
    r"|:(?=//|[\w+~-]{1,60}:)"  # addresses, emoji by name
)
_BLOCK = re.compile(r"(\s*)[#>+-]|(\s*\d+)[.)]")
_ITEM = re.compile(r" *(?:[-*]|[0-9]{1,3}\.) +")
_MARKERS = {"bold": "**", "italic": "*", "underline": "__", "strikethrough": "~~", "spoiler": "||"}
_HEADINGS = {"2": "## ", "3": "### "}
_TICKS = re.compile("`+")
_FENCE = re.compile("`(?=``)")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TIME_STYLES = {"r": "R", "t": "t", "T": "T", "d": "d", "D": "D", "dt": "f", "Dt": "f", "DT": "f"}


@lru_cache(maxsize=64)  # a message is measured, then sent
def write(rich: RichText) -> str:
    """The text as lines of Markdown, without white space at the ends."""
    rich = strip(RichText(_SURROGATES.sub("\ufffd", rich.text), rich.spans))
    return "\n".join(_lines(rich)).strip()


def write_line(rich: RichText) -> str:
    """The text as one line without quotes, headings, code blocks and links: for titles and the
    names of fields.
    """
    if not rich.text:
        return ""
    flat = RichText(
        _SURROGATES.sub("\ufffd", rich.text).replace("\n", " "), without(rich, {"link"}).spans
    )
    return _escaped_start(_inline(flat.text, 0, len(flat.text), flat.spans)).strip()


def write_plain(rich: RichText) -> str:
    """The text alone, for places without Markdown (footers)."""
    return _SURROGATES.sub("\ufffd", rich.text).strip()


def _lines(rich: RichText) -> Iterator[str]:
    """The lines, each with the prefix of its quote, heading or subtext."""
    position = 0
    for block in (span for span in rich.spans if span.kind == "pre"):
        if position < block.start:
            before = cut(rich, position, block.start)
            yield from _prose(before, drop_last=before.text.endswith("\n"))
        prefix = (
            "> " if any(_quotes(s) and s.start <= block.start < s.end for s in rich.spans) else ""
        )
        code = _FENCE.sub("`" + _GAP, rich.text[block.start : block.end])
        yield from (
            prefix + line
            for line in (f"```{block.value}", *(code.strip("\n") or _GAP).split("\n"), "```")
        )
        position = block.end + rich.text.startswith("\n", block.end)
    if position < len(rich.text):
        yield from _prose(cut(rich, position, len(rich.text)), drop_last=False)


def _prose(rich: RichText, *, drop_last: bool) -> Iterator[str]:
    start, spans = 0, list(rich.spans)
    lines = rich.text.split("\n")
    for line in lines[:-1] if drop_last else lines:
        end = start + len(line)
        here = tuple(s for s in spans if s.start < max(end, start + 1) and s.end > start)
        written = _inline(rich.text, start, end, here)
        listed = any(span.kind == "item" and span.start == start for span in here)
        yield _prefix(here, blank=not line.strip()) + (
            written if listed and _ITEM.match(written) else _escaped_start(written)
        )
        start = end + 1


def _prefix(spans: tuple[Span, ...], *, blank: bool) -> str:
    quote = "> " if any(_quotes(span) for span in spans) else ""
    for span in () if blank else spans:
        if span.kind == "heading":
            return quote + _HEADINGS.get(span.value, "# ")
        if span.kind == "subtext":
            return quote + "-# "
    return quote


def _quotes(span: Span) -> bool:
    return span.kind in ("quote", "fold")


def _escaped_start(line: str) -> str:
    """The line, escaped so that its beginning is no list, heading or quote."""
    found = _BLOCK.match(line)
    return f"{line[: found.end() - 1]}\\{line[found.end() - 1 :]}" if found else line


def _inline(text: str, start: int, end: int, spans: tuple[Span, ...]) -> str:
    """`text[start:end]` in the styles of `spans`, each clipped to it. Spans come outermost
    first.
    """
    written, position, index = "", start, 0
    while index < len(spans):
        span = spans[index]
        first, last = max(span.start, position), min(span.end, end)
        inner = index + 1
        while inner < len(spans) and spans[inner].start < last:
            inner += 1
        within = tuple(s for s in spans[index + 1 : inner] if s.end > first)
        written = _met(written, _escape(text[position:first]))
        written = _met(written, _styled(span, text, first, last, within))
        position, index = last, inner
    return _met(written, _escape(text[position:end]))


def _styled(span: Span, text: str, start: int, end: int, within: tuple[Span, ...]) -> str:
    if start >= end:
        return ""
    match span.kind:
        case "code" | "pre":
            return _code(text[start:end])
        case "time":
            return _time(span.value)
        case "mention":
            kind, _, number = span.value.partition(":")
            return f"<@&{number}>" if kind == "role" else f"<@{number}>"
        case "item" if _ITEM.fullmatch(text[start:end]):
            return text[start:end]
        case "channel" if span.value.isdecimal():
            return f"<#{span.value}>"
        case "link":
            return _link(span.value, text[start:end], _inline(text, start, end, within))
        case _:
            return _marked(_MARKERS.get(span.kind, ""), _inline(text, start, end, within))


def _marked(marker: str, inner: str) -> str:
    """`inner` between markers. White space at its ends goes outside, since markers have no effect
    there.
    """
    core = inner.strip()
    if not core or not marker:
        return inner
    lead, trail = inner[: inner.index(core)], inner[inner.index(core) + len(core) :]
    return lead + _met(_met(marker, core), marker) + trail


def _met(left: str, right: str) -> str:
    """The two joined, with a gap if a marker would run into the next."""
    apart = left and right and left[-1] == right[0] and left[-1] in "*_~|`"
    return f"{left}{_GAP}{right}" if apart else left + right


def _escape(text: str) -> str:
    return _SPECIAL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found[0]


def _code(text: str) -> str:
    """Code within a line, between more back-ticks than the text has in a row."""
    if not text.strip():
        return text
    runs = {len(run) for run in _TICKS.findall(text)}
    if 1 not in runs:
        fence = "`"
    elif 2 not in runs:
        fence = "``"
    else:
        text, fence = text.replace("`", "`" + _GAP), "``"
    before, after = " " * text.startswith("`"), " " * text.endswith("`")
    return f"{fence}{before}{text}{after}{fence}"


def _time(value: str) -> str:
    moment, _, form = value.partition(":")
    if not form:
        return f"<t:{moment}>"
    return f"<t:{moment}:{_TIME_STYLES.get(form, 'R' if form == 'R' else 'F')}>"


def _link(address: str, text: str, written: str) -> str:
    """A masked link. The angle brackets keep Discord from showing a preview."""
    address = spelled(address)
    if not address or not written.strip():
        return written
    if spelled(text.strip()) == address:
        return f"<{address}>"
    # Discord takes the first closing bracket without an opening one in the address for the end of
    # the link.
    return f"[{written}](<{address.replace('(', '%28').replace(')', '%29')}>)"
