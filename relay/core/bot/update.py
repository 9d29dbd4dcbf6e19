"""Updates of a bot as frozen values; `relay/platforms/telegram/updates.py` parses them."""

from typing import Literal

from msgspec import Struct

ChatKind = Literal["private", "group", "supergroup", "channel"]
Standing = Literal["administrator", "member", "restricted", "left", "kicked"]
# The result of an update. `refused`: a command that this person may not give, or a link that does
# not work; `forged`: it came without the webhook's secret; `failed`: a bug of ours.
Sort = Literal[
    "command",
    "refused",
    "membership",
    "migrated",
    "seen",
    "ignored",
    "repeated",
    "forged",
    "failed",
]
SILENCE = 6 * 86400.0  # seconds after which the numbers of updates may begin anew


class BotId(Struct, frozen=True, order=True):
    """A bot by its API address and its id, without secrets."""

    api: str
    account: str


class ChatInfo(Struct, frozen=True):
    """A chat in an update. `forum`: it has topics."""

    id: str
    kind: ChatKind
    title: str
    forum: bool = False


class Topic(Struct, frozen=True):
    """A topic of a chat. The id is empty outside topics, the title if it is unknown."""

    id: str = ""
    title: str = ""


class Command(Struct, frozen=True, tag=True):
    """`/name argument`, written by `user` in a chat.

    `user` is 0 if nobody can be named: an anonymous administrator, or a channel. `message` is the
    id of the message, `at` its time (Unix seconds, 0.0 unknown), `language` the code that the
    person's app sent, or empty.
    """

    id: int
    chat: ChatInfo
    topic: Topic
    user: int
    language: str
    message: str
    at: float
    name: str
    argument: str


class Membership(Struct, frozen=True, tag=True):
    """The bot's own standing in a chat changed to this. `writes`: it may post there. In a private
    chat `kicked` means that the person blocked the bot.
    """

    id: int
    chat: ChatInfo
    standing: Standing
    writes: bool

    @property
    def is_in(self) -> bool:
        return self.standing not in ("left", "kicked")


class Migrated(Struct, frozen=True, tag=True):
    """The group `old` became the supergroup `chat`."""

    id: int
    old: str
    chat: ChatInfo


class Seen(Struct, frozen=True, tag=True):
    """Something else was written in a chat: the chat exists, and perhaps a topic of it."""

    id: int
    chat: ChatInfo
    topic: Topic


class CallbackQuery(Struct, frozen=True, tag=True):
    """Somebody pressed a button under `message`, which may be any that the chat ever had. `data`
    comes from the person's app and need not be that of a button. `ephemeral` is the id of a message
    that only this person sees and that has no other id; 0 for one that all see.

    `query` is the id to answer to, `user` the real person, even for an anonymous administrator, and
    `name` is what the app shows of the person; `language` is as in `Command`.
    """

    id: int
    query: str
    chat: ChatInfo
    topic: Topic
    message: str
    user: int
    name: str
    language: str
    data: str
    ephemeral: int = 0


class Written(Struct, frozen=True, tag=True):
    """Somebody wrote `text` in answer to `reply_to`, a message of a bot. The rest is as in
    `Command`.
    """

    id: int
    chat: ChatInfo
    topic: Topic
    user: int
    name: str
    language: str
    message: str
    reply_to: str
    text: str


class Ignored(Struct, frozen=True, tag=True):
    """An update that the relay does not use. `id` is 0 when it has none."""

    id: int
    why: str


Update = Command | Membership | Migrated | Seen | CallbackQuery | Written | Ignored


class PollState(Struct, frozen=True):
    """How far the updates of a bot were handled: the number of the next one, when the last one was
    handled (Unix seconds), and the webhook address that the relay has set, if any.
    """

    next_update: int = 0
    heard_at: float = 0.0
    webhook: str = ""


def offset(poll_state: PollState, now: float) -> int:
    """The first update to ask for; 0 for all that wait. After a week without updates the numbers
    begin anew, perhaps lower.

    https://core.telegram.org/bots/api#update
    """
    return 0 if now - poll_state.heard_at > SILENCE else poll_state.next_update


def is_new(update: Update, poll_state: PollState, now: float) -> bool:
    """Whether the update was not handled before: its number is the next expected one or higher."""
    return update.id >= max(offset(poll_state, now), 1)


def further(own: PollState, found: PollState) -> PollState:
    """How far a bot was polled, by its own record and by one that was found: the higher number,
    except that the later record counts if the bot was silent for a week between them, since the
    numbers begin anew then. The webhook that the relay set is never forgotten.
    """
    early, late = sorted((own, found), key=lambda poll_state: poll_state.heard_at)
    began_anew = late.heard_at - early.heard_at > SILENCE
    next_update = late.next_update if began_anew else max(early.next_update, late.next_update)
    return PollState(next_update, late.heard_at, own.webhook or found.webhook)
