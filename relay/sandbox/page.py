"""Draws a message of a platform in a box for the terminal."""

import json
from collections.abc import Mapping
from datetime import datetime

from relay.sandbox import discord_text
from relay.sandbox.styled_text import Kind, Style, Styled, join
from relay.sandbox.telegram_text import styled
from relay.sandbox.terminal_text import Line, columns, lines, plain, with_ansi

MARGIN = 4  # columns of the frame at both sides
Row = tuple[str, str]  # a drawn row, and its characters without colours


def draw(
    platform: str,
    body: Mapping[str, object],
    width: int = 44,
    *,
    colour: bool = False,
    foot: str = "",
) -> str:
    """The message that an API body asks for, at most `width` columns wide, with `foot` below it at
    the right.

    `body` is the parsed JSON of sendMessage or editMessageText, or of a webhook message. That of a
    platform which the sandbox does not have is shown as it is.
    """
    inner = width - MARGIN
    match platform:
        case "telegram":
            rows = _telegram(body, inner, colour=colour)
        case "discord":
            rows = _discord(body, inner, colour=colour)
        case _:
            shown = json.dumps(body, indent=1, ensure_ascii=False)
            rows = _rows(Styled(shown), inner, colour=colour)
    widest = max([columns(text) for _, text in rows] + [columns(foot)])
    if foot:
        text = " " * (widest - columns(foot)) + foot
        rows.append((f"\x1b[2m{text}\x1b[0m" if colour else text, text))
    framed = [f"│ {shown}{' ' * (widest - columns(text))} │" for shown, text in rows]
    return "\n".join([f"╭{'─' * (widest + 2)}╮", *framed, f"╰{'─' * (widest + 2)}╯"])


def _telegram(body: Mapping[str, object], width: int, *, colour: bool) -> list[Row]:
    text = str(body.get("text") or body.get("caption") or "")
    given = body.get("entities") or body.get("caption_entities")
    entities = given if isinstance(given, list) else []
    rows = _rows(styled(text, entities), width, colour=colour)
    markup = body.get("reply_markup")
    keyboard = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    for buttons in keyboard if isinstance(keyboard, list) else []:
        rows += _rows(
            Styled(" ".join(f"[ {button['text']} ]" for button in buttons)), width, colour=colour
        )
    return rows


def _discord(body: Mapping[str, object], width: int, *, colour: bool) -> list[Row]:
    name = str(body.get("username") or "Webhook")
    rows = _rows(Styled(f"{name}  APP", (Style("bold", 0, len(name)),)), width, colour=colour)
    if body.get("content"):
        rows += _rows(discord_text.read(str(body["content"])), width, colour=colour)
    embeds = body.get("embeds")
    for embed in embeds if isinstance(embeds, list) else []:
        bar = _bar(embed.get("color"), colour=colour)
        inside = _rows(_embed(embed), width - 2, colour=colour)
        rows += [(f"{bar} {shown}", f"▌ {text}") for shown, text in inside]
    return rows


def _embed(embed: Mapping[str, object]) -> Styled:
    title = discord_text.read(str(embed.get("title") or ""))
    kind: Kind = "link" if embed.get("url") else "bold"
    parts = [
        Styled(
            title.text,
            (Style("bold", 0, len(title.text)), Style(kind, 0, len(title.text)), *title.styles),
        )
    ]
    parts.append(discord_text.read(str(embed.get("description") or "")))
    fields = embed.get("fields")
    for field in fields if isinstance(fields, list) else []:
        name, value = discord_text.read(field["name"]), discord_text.read(field["value"])
        bold = Styled(name.text, (Style("bold", 0, len(name.text)), *name.styles))
        parts.append(join([bold, value], between="  " if "\n" not in value.text else "\n"))
    footer = embed.get("footer")
    words = [
        str(footer.get("text") or "") if isinstance(footer, Mapping) else "",
        _moment(embed.get("timestamp")),
    ]
    last = " · ".join(word for word in words if word)
    parts.append(Styled(last, (Style("subtext", 0, len(last)),)))
    return join([part for part in parts if part.text], between="\n")


def _moment(timestamp: object) -> str:
    if not isinstance(timestamp, str):
        return ""
    try:
        return datetime.fromisoformat(timestamp).strftime("%H:%M")
    except ValueError:
        return timestamp


def _bar(color: object, *, colour: bool) -> str:
    if not colour or not isinstance(color, int):
        return "▌"
    return f"\x1b[38;2;{color >> 16 & 255};{color >> 8 & 255};{color & 255}m▌\x1b[0m"


def _rows(text: Styled, width: int, *, colour: bool) -> list[Row]:
    return [_row(line, colour=colour) for line in lines(text, width)]


def _row(line: Line, *, colour: bool) -> Row:
    text = plain(line).rstrip()
    return with_ansi(line[: len(text)], colour=colour), text
