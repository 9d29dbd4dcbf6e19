"""What stands in the chats of the sandbox, as text that the reader of a diff understands."""

from collections.abc import Iterable, Iterator

from relay.sandbox import discord_chats, discord_text, telegram_chats
from relay.sandbox.discord import Discord
from relay.sandbox.styled_text import Kind, Styled
from relay.sandbox.telegram import Telegram

_NAMES: dict[Kind, str] = {"bold": "b", "italic": "i", "link": "a", "auto": ""}


def standing(telegram: Telegram, chat: int, discord: Discord, channel: int) -> str:
    """Both chats, oldest message first: a line with how it came, then the message."""
    return "\n".join(
        (
            *_all("Telegram", map(_telegram, telegram.messages(chat))),
            *_all("Discord", map(_discord, discord.messages(channel))),
        )
    )


def _all(platform: str, messages: Iterable[str]) -> Iterator[str]:
    yield f"##### {platform}"
    yield from messages


def _telegram(message: telegram_chats.Message) -> str:
    reply = f", reply to {message.reply_to}" if message.reply_to else ""
    return f"--- {message.id}{reply}{_how(message)}\n{_drawn(message.shown.styled)}"


def _discord(message: discord_chats.Message) -> str:
    rows = [f"---{_how(message)}", _markdown(message.shown.content)]
    for embed in message.shown.embeds:
        rows += (_markdown(str(embed.get(key, ""))) for key in ("title", "description"))
        fields, footer = embed.get("fields"), embed.get("footer")
        for field in fields if isinstance(fields, list) else []:
            rows.append(f"[{_markdown(field['name'])}] {_markdown(field['value'])}")
        rows.append(f"({footer.get('text', '')})" if isinstance(footer, dict) else "")
    return "\n".join(row for row in rows if row)


def _how(message: telegram_chats.Message | discord_chats.Message) -> str:
    edits = len(message.versions) - 1
    times = f", edited {'once' if edits == 1 else f'{edits} times'}" if edits else ""
    return f"{', silent' if message.silent else ', rings'}{times}"


def _markdown(text: str) -> str:
    return _drawn(discord_text.read(text))


def _drawn(styled: Styled) -> str:
    """The text with its styles visible; what an app makes clickable by itself is no style of
    ours.
    """
    marks: list[tuple[int, int, int, str]] = []
    for order, style in enumerate(styled.styles):
        name = _NAMES.get(style.kind, style.kind)
        if name:
            value = f" {style.value}" if style.value else ""
            marks.append((style.start, 1, order, f"‹{name}{value}›"))
            marks.append((style.end, 0, -order, f"‹/{name}›"))
    pieces: list[str] = []
    position = 0
    for offset, _, _, mark in sorted(marks):
        pieces += (styled.text[position:offset], mark)
        position = offset
    return "".join(pieces) + styled.text[position:]
