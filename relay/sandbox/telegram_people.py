"""People in the sandbox's Telegram: they write, add and block bots, and upgrade groups; the bots
there get the updates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_chats import KICKED, Bot, Chat, ChatKind, State
from relay.sandbox.telegram_updates import Query

ANONYMOUS: JsonObject = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}


@dataclass
class PeopleChats(State):
    """Chats with people in them, and the bots that get the updates. `at` is the time of an act,
    Unix seconds.
    """

    bots: dict[str, Bot] = field(default_factory=dict)

    def add_chat(
        self, chat_id: int, kind: ChatKind, title: str, topics: Mapping[int, str] | None = None
    ) -> Chat:
        """Adds a chat of which every bot here is a member; with `topics` (thread id to title) it is
        a forum.
        """
        chat = Chat(chat_id, kind, title, dict(topics) if topics is not None else None)
        self.chats[chat_id] = chat
        self.revision += 1
        return chat

    def says(
        self,
        chat_id: int,
        user: int,
        text: str,
        topic: int = 0,
        *,
        at: float = 0.0,
        language: str = "en",
    ) -> None:
        """Somebody writes in a chat; user 0 writes as an anonymous administrator. A private chat is
        created if needed.
        """
        chat = self.chats.get(chat_id) or self.add_chat(chat_id, "private", f"Person {user}")
        sender: JsonObject = {
            "id": user,
            "is_bot": False,
            "first_name": f"Person {user}",
            "language_code": language,
        }
        written: JsonObject = {"text": text, "from": sender if user else ANONYMOUS}
        if not user:
            written["sender_chat"] = chat.json()
        if topic:
            title = (chat.topics or {}).get(topic, "")
            about: JsonObject = {"message_id": topic, "chat": chat.json(), "date": int(at)}
            about["forum_topic_created"] = {"name": title}
            written |= {
                "message_thread_id": topic,
                "is_topic_message": True,
                "reply_to_message": about,
            }
        self._happens(chat, at, written)

    def presses(
        self,
        chat_id: int,
        message_id: int,
        user: int,
        data: str,
        *,
        at: float = 0.0,
        language: str = "en",
        inaccessible: bool = False,
    ) -> list[Query]:
        """Somebody presses a button of a message of any bot, or a modified client says so with any
        `data`; the bot that wrote the message gets the update. It names the real person, also for
        an anonymous administrator. For an `inaccessible` message only chat and id are sent.
        """
        chat = self.chats[chat_id]
        message = chat.messages.get(message_id)
        told: JsonObject = {"message_id": message_id, "chat": chat.json(), "date": 0}
        if message is not None and not inaccessible:
            told["date"] = int(message.sent_at)
            if message.topic:
                told |= {"message_thread_id": message.topic, "is_topic_message": True}
        sender: JsonObject = {
            "id": user,
            "is_bot": False,
            "first_name": f"Person {user}",
            "language_code": language,
        }
        what: JsonObject = {
            "from": sender, "message": told, "chat_instance": str(chat_id), "data": data,
        }  # fmt: skip
        writers = [bot for bot in self.bots.values() if message is None or message.bot == bot.id]
        return [bot.updates.press(what, at) for bot in writers]

    def presses_ephemeral(
        self, chat_id: int, number: int, user: int, data: str, *, at: float = 0.0
    ) -> Query:
        """Somebody presses a button of a message that only this person sees, or a modified client
        says so.
        """
        chat = self.chats[chat_id]
        bot = next(each for each in self.bots.values() if each.id == chat.ephemerals[number].bot)
        told: JsonObject = {
            "message_id": 0, "ephemeral_message_id": number, "chat": chat.json(), "date": int(at),
        }  # fmt: skip
        sender: JsonObject = {"id": user, "is_bot": False, "first_name": f"Person {user}"}
        what: JsonObject = {
            "from": sender, "message": told, "chat_instance": str(chat_id), "data": data,
        }  # fmt: skip
        return bot.updates.press(what, at)

    def replies(
        self, chat_id: int, user: int, message_id: int, text: str, *, at: float = 0.0
    ) -> None:
        """Somebody answers a message of a bot in writing."""
        chat = self.chats[chat_id]
        answered = chat.messages[message_id]
        writer = next(bot for bot in self.bots.values() if bot.id == answered.bot)
        about: JsonObject = {
            "message_id": message_id, "chat": chat.json(), "date": int(answered.sent_at),
            "from": writer.json(),
        }  # fmt: skip
        sender: JsonObject = {"id": user, "is_bot": False, "first_name": f"Person {user}"}
        self._happens(chat, at, {"text": text, "from": sender, "reply_to_message": about})

    def adds_bot(
        self,
        chat_id: int,
        standing: str = "member",
        *,
        user: int = 1,
        at: float = 0.0,
        **rights: bool,
    ) -> None:
        """Somebody adds the bots to a chat, unblocks them, or changes their rights."""
        self.chats[chat_id].refusal = ""
        self._stands(self.chats[chat_id], standing, user, at, rights)

    def kick(self, chat_id: int, *, user: int = 1, at: float = 0.0) -> None:
        """The bot is removed from a chat, or blocked by a person."""
        chat = self.chats[chat_id]
        chat.refusal = KICKED[chat.kind]
        self._stands(chat, "kicked", user, at, {})

    def upgrade(self, chat_id: int, new_id: int, *, at: float = 0.0) -> Chat:
        """A group becomes a supergroup with another id, which calls to the old one are told from
        now on.
        """
        old = self.chats[chat_id]
        old.migrated_to = new_id
        new = self.add_chat(new_id, "supergroup", old.title)
        self._happens(old, at, {"migrate_to_chat_id": new_id})
        self._happens(new, at, {"migrate_from_chat_id": chat_id})
        return new

    def _happens(self, chat: Chat, at: float, what: JsonObject) -> None:
        message = {"message_id": self.new_id(chat), "date": int(at), "chat": chat.json(), **what}
        for bot in self.bots.values():
            bot.updates.add("channel_post" if chat.kind == "channel" else "message", message)

    def _stands(
        self, chat: Chat, standing: str, user: int, at: float, rights: Mapping[str, bool]
    ) -> None:
        sender: JsonObject = {"id": user, "is_bot": False, "first_name": f"Person {user}"}
        for bot in self.bots.values():
            now = {"user": bot.json(), "status": standing, **rights}
            change = {"chat": chat.json(), "from": sender, "date": int(at), "new_chat_member": now}
            bot.updates.add("my_chat_member", change)
