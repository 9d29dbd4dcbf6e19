"""The state of the sandbox's page: both platforms' chats as plain JSON, text with its styles."""

from collections.abc import Iterator

import msgspec

from relay.sandbox import discord_chats, discord_text, telegram_chats
from relay.sandbox.discord import Discord
from relay.sandbox.reply import JsonObject
from relay.sandbox.styled_text import Styled
from relay.sandbox.telegram import Telegram

_DANGER = 4  # a style of buttons: https://discord.com/developers/docs/components/reference#button
SHOWN = 100  # messages of a chat, the newest


def page_state(telegram: Telegram, discord: Discord) -> JsonObject:
    chats = [
        *(_telegram(chat) for chat in telegram.chats.values()),
        *(_discord(c) for c in discord.channels.values()),
    ]
    return {"revision": revision(telegram, discord), "chats": chats}


def revision(telegram: Telegram, discord: Discord) -> int:
    """A number that grows with every change of the page."""
    return telegram.revision + discord.revision


def _telegram(chat: telegram_chats.Chat) -> JsonObject:
    messages = [_telegram_message(chat, message) for message in chat.shows()[-SHOWN:]]
    messages += [_ephemeral(each) for each in chat.ephemerals.values() if not each.deleted]
    return {
        "platform": "telegram",
        "id": str(chat.id),
        "name": chat.title,
        "kind": chat.kind,
        "messages": messages,
    }


def _telegram_message(chat: telegram_chats.Chat, message: telegram_chats.Message) -> JsonObject:
    original = chat.messages.get(message.reply_to)
    return {
        **_common(message),
        "thread": (chat.topics or {}).get(message.topic, ""),
        "reply": original.text.partition("\n")[0] if original else "",
        "text": _styled(message.shown.styled),
        "file": message.document.name if message.document else "",
        "buttons": list(_buttons(message.shown.markup)),
        "only": "",
    }


def _ephemeral(message: telegram_chats.Ephemeral) -> JsonObject:
    """A message that only one person sees, below all others."""
    return {
        "id": f"e{message.id}",
        "at": message.version.at,
        "edited": None,
        "silent": False,
        "thread": "",
        "reply": "",
        "text": _styled(message.version.styled),
        "file": "",
        "buttons": list(_buttons(message.version.markup)),
        "only": f"Person {message.user}",
    }


def _components(rows: list[JsonObject]) -> Iterator[list[JsonObject]]:
    for row in rows:
        cells = row.get("components")
        yield [
            {"text": str(cell.get("label", "")), "danger": cell.get("style") == _DANGER}
            for cell in (cells if isinstance(cells, list) else [])
            if isinstance(cell, dict)
        ]


def _buttons(markup: JsonObject | None) -> Iterator[list[str]]:
    rows = (markup or {}).get("inline_keyboard")
    for row in rows if isinstance(rows, list) else []:
        yield [str(button["text"]) for button in row]


def _discord(channel: discord_chats.Channel) -> JsonObject:
    messages = [_discord_message(channel, message) for message in channel.shows()[-SHOWN:]]
    return {
        "platform": "discord",
        "id": str(channel.id),
        "name": channel.name,
        "kind": channel.kind,
        "messages": messages,
    }


def _discord_message(channel: discord_chats.Channel, message: discord_chats.Message) -> JsonObject:
    thread = channel.threads.get(message.thread)
    reference = message.shown.body.get("message_reference")
    number = str(reference.get("message_id")) if isinstance(reference, dict) else ""
    original = channel.messages.get(int(number)) if number.isdecimal() else None
    return {
        **_common(message),
        "thread": thread.name if thread else "",
        "reply": original.shown.content.partition("\n")[0] if original else "",
        "buttons": list(_components(message.shown.components)),
        "author": message.username,
        "text": _styled(discord_text.read(message.shown.content)),
        "file": ", ".join(file.name for file in message.files),
        "embeds": [_embed(embed) for embed in message.shown.embeds],
    }


def _common(message: telegram_chats.Message | discord_chats.Message) -> JsonObject:
    edited = message.shown.at if len(message.versions) > 1 else None
    return {
        "id": str(message.id),
        "at": message.sent_at,
        "edited": edited,
        "silent": message.silent,
    }


def _embed(embed: JsonObject) -> JsonObject:
    fields = embed.get("fields")
    footer = embed.get("footer")
    return {
        "title": _styled(discord_text.read(str(embed.get("title", "")))),
        "url": embed.get("url", ""),
        "color": embed.get("color"),
        "description": _styled(discord_text.read(str(embed.get("description", "")))),
        "fields": [
            {
                "name": _styled(discord_text.read(field["name"])),
                "value": _styled(discord_text.read(field["value"])),
                "inline": field["inline"],
            }
            for field in (fields if isinstance(fields, list) else [])
        ],
        "footer": str(footer.get("text", "")) if isinstance(footer, dict) else "",
        "timestamp": embed.get("timestamp", ""),
    }


def _styled(text: Styled) -> object:
    return msgspec.to_builtins(text)
