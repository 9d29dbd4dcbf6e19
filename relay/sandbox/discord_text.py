"""Discord's Markdown as its app shows it: markup becomes styles over plain text.

https://support.discord.com/hc/en-us/articles/210298617 and
https://discord.com/developers/docs/reference#message-formatting
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from relay.sandbox.reply import JsonObject
from relay.sandbox.styled_text import Kind, Style, Styled, join

ANY = r"(?:\\.|[^\\])+?"
INLINE = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    rf"|\*\*(?P<bold>{ANY})\*\*(?!\*)"
    rf"|__(?P<underline>{ANY})__(?!_)"
    rf"|~~(?P<strikethrough>{ANY})~~"
    rf"|\|\|(?P<spoiler>{ANY})\|\|"
    r"|\*(?![\s*])(?P<italic>(?:\\.|[^\\*])+)(?<!\s)\*"
    r"|(?<!\w)_(?![\s_])(?P<italic2>(?:\\.|[^\\_])+)_(?!\w)"
    r"|\[(?P<label>(?:\\.|[^\]\\])+)\]\(<?(?P<href>https?://(?:[^\s()<>]|\([^\s()<>]*\))+)>?\)"
    r"|<(?P<angle>https?://[^>\s]+)>"
    r"|<t:(?P<unix>-?\d{1,12})(?::(?P<form>[tTdDfFsSR]))?>"
    r"|(?P<mention><@[!&]?\d+>|<#\d+>|@everyone|@here)"
    r"|(?P<auto>https?://[^\s<]*[^\s<.,:;\"')\]])",
    re.DOTALL,
)
CODE_BLOCK = re.compile(r"```(?:([\w+-]+)\n)?(.+?)```\n?", re.DOTALL)
HEADING = re.compile(r"(#{1,3}) +(.+)")
NESTING: dict[str, Kind] = {
    "bold": "bold",
    "underline": "underline",
    "strikethrough": "strikethrough",
    "spoiler": "spoiler",
    "italic": "italic",
    "italic2": "italic",
}
FORMS = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%d/%m/%Y",
    "D": "%-d %B %Y",
    "F": "%A, %-d %B %Y %H:%M",
}


def read(markdown: str) -> Styled:
    """The text as a reader sees it, with its styles."""
    return join(_blocks(markdown))


def plain(content: str, embeds: Sequence[JsonObject]) -> str:
    """A message as plain lines: content, then each embed's author, title, description, fields and
    footer.
    """
    texts = [content, *(text for embed in embeds for text in _texts(embed))]
    return "\n".join(read(text).text for text in texts if text)


def _texts(embed: JsonObject) -> Iterator[str]:
    yield _part(embed, "author", "name")
    yield str(embed.get("title", ""))
    yield str(embed.get("description", ""))
    fields = embed.get("fields")
    for field in fields if isinstance(fields, list) else []:
        yield f"{field['name']}: {field['value']}"
    yield _part(embed, "footer", "text")


def _part(embed: JsonObject, name: str, key: str) -> str:
    value = embed.get(name)
    return str(value.get(key, "")) if isinstance(value, dict) else ""


def _blocks(text: str) -> Iterator[Styled]:
    at = 0
    for match in CODE_BLOCK.finditer(text):
        yield _lines(text[at : match.start()])
        code = match[2].strip("\n")
        yield Styled(code + "\n", (Style("pre", 0, len(code), match[1] or ""),))
        at = match.end()
    yield _lines(text[at:])


def _lines(text: str) -> Styled:
    """Reads runs of lines of one kind together, so that a style may extend over a line break."""
    runs: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        kind, rest = _kind_of(line, inside=runs[-1][0] if runs else "")
        if runs and runs[-1][0] == kind and kind in ("", "quote", "quote to the end"):
            runs[-1][1].append(rest)
        else:
            runs.append((kind, [rest]))
    return join((_block(kind, "\n".join(lines)) for kind, lines in runs), between="\n")


def _kind_of(line: str, inside: str) -> tuple[str, str]:
    if inside == "quote to the end":
        return inside, line
    if line.startswith(">>> "):
        return "quote to the end", line[4:]
    if line.startswith("> "):
        return "quote", line[2:]
    if line.startswith("-# "):
        return "subtext", line[3:]
    heading = HEADING.fullmatch(line)
    return (f"heading {len(heading[1])}", heading[2]) if heading else ("", line)


def _block(kind: str, text: str) -> Styled:
    inner = _inline(text)
    if kind.startswith("quote"):
        return _over(inner, "quote")
    if kind == "subtext":
        return _over(inner, "subtext")
    if kind:
        return _over(inner, "heading", kind[-1])
    return inner


def _inline(text: str) -> Styled:
    parts: list[Styled] = []
    at = 0
    for match in INLINE.finditer(text):
        parts += [Styled(text[at : match.start()]), _piece(match)]
        at = match.end()
    return join([*parts, Styled(text[at:])])


def _piece(match: re.Match[str]) -> Styled:
    name, value = match.lastgroup or "", match[match.lastgroup or 0]
    if name in NESTING:
        return _over(_inline(value), NESTING[name])
    if name == "escaped":
        return Styled(value)
    if name == "code":
        return _over(Styled(value.strip() or value), "code")
    if name == "href":
        return _over(_inline(match["label"]), "link", value)
    if match["unix"]:
        return _over(
            Styled(_moment(int(match["unix"]), match["form"] or "f")),
            "time",
            f"{match['unix']}:{match['form'] or 'f'}",
        )
    if name == "mention":
        return _over(Styled(value), "mention")
    return _over(Styled(value), "link", value)


def _over(inner: Styled, kind: Kind, value: str = "") -> Styled:
    return Styled(inner.text, (Style(kind, 0, len(inner.text), value), *inner.styles))


def _moment(unix: int, form: str) -> str:
    """The time in UTC, with that name: a reader's clock is not known here."""
    try:
        moment = datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        return f"<t:{unix}>"
    return moment.strftime(FORMS.get(form, "%-d %B %Y %H:%M" if form != "R" else "%H:%M")) + " UTC"
