"""People and chats that a bot knows: the subscriptions, the invitations, and the chats that it is
in.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b, sha256

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.account import Bot
from relay.core.bot.update import BotId, ChatInfo, Sort, Standing, Topic
from relay.core.card.card import Card
from relay.core.routing.lane import Endpoint, LaneKey, Policy, Target
from relay.core.routing.matcher import Matcher
from relay.core.routing.route import Subscriber
from relay.core.text.richtext import RichText
from relay.core.text.texts import LANGUAGES

MOST_TOPICS = 200  # of a chat, the newest ones
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")  # https://core.telegram.org/bots/features#deep-linking


class Invite(Struct, frozen=True):
    """An invitation: whoever opens its link gets the alerts that match. Only the token's hash is
    stored.

    Times are Unix seconds. It is used up after `uses` people; `used` of them came.
    """

    id: str
    bot: BotId
    hash: str
    name: str
    matchers: tuple[Matcher, ...]
    created_at: float
    expires_at: float
    uses: int
    used: int = 0

    def holds(self, now: float) -> bool:
        return self.used < self.uses and now < self.expires_at


class Subscription(Struct, frozen=True):
    """The alerts that a chat gets because somebody opened an invitation there.

    `chat` is its present id, `lane_chat` the id in its lane: they differ once a group has become a
    supergroup. `user` opened the link, `who` is the chat's title. No card is shown before
    `muted_until`.
    """

    id: str
    bot: BotId
    chat: str
    lane_chat: str
    topic: str
    user: int
    who: str
    name: str
    matchers: tuple[Matcher, ...]
    language: str
    invite: str
    created_at: float
    muted_until: float = 0.0

    @property
    def lane(self) -> LaneKey:
        return LaneKey("telegram", self.bot.api, self.bot.account, self.lane_chat, self.topic)


class ChatEntry(Struct, frozen=True):
    """A group, supergroup or channel of the registry. `seen_at` is when it was last heard of, Unix
    seconds.
    """

    bot: BotId
    chat: ChatInfo
    standing: Standing = "member"
    writes: bool = True
    seen_at: float = 0.0
    topics: tuple[Topic, ...] = ()


class BotReply(Struct, frozen=True):
    """The bot's answer to a command: to whom, where, and under which message."""

    chat: str
    topic: str
    message: str
    user: int
    text: RichText


class ChatContext(Struct, frozen=True):
    """What the store knows for an update: the chat's row of the registry, its subscriptions, the
    invitation of the token in the update; for /alerts the firing cards of the chat, for /start
    those of all chats.
    """

    bot: BotId
    entry: ChatEntry | None = None
    invite: Invite | None = None
    subscriptions: tuple[Subscription, ...] = ()
    cards: tuple[Card, ...] = ()


class UpdateEffects(Struct, frozen=True):
    """The effects of an update, committed together with it.

    `entry` is the chat's new row of the registry. `added`, `changed` and `ended` (by id) are
    subscriptions, `used` is the invitation that one more person used. `moved`: old and new chat id.
    `back`: a chat that accepts messages again. `bot_replies` are answers to people, sent when the
    budgets have room.
    """

    heard: Sort
    entry: ChatEntry | None = None
    added: Subscription | None = None
    used: str = ""
    changed: tuple[Subscription, ...] = ()
    ended: tuple[str, ...] = ()
    moved: tuple[str, str] | None = None
    back: str = ""
    bot_replies: tuple[BotReply, ...] = ()

    @property
    def concerns_routing(self) -> bool:
        """Whether the subscriptions in force change."""
        return bool(self.added or self.changed or self.ended)


def with_topics_of(entry: ChatEntry, before: ChatEntry) -> ChatEntry:
    """The chat's row with the topics and titles that only an earlier row has."""
    topics = {each.id: each for each in before.topics}
    topics |= {each.id: each for each in entry.topics if each.title or each.id not in topics}
    return replace(entry, topics=tuple(topics.values())[-MOST_TOPICS:])


def hash_of(token: str) -> str:
    """The hash of an invitation's token in the store. The token is random, so a plain hash cannot
    be reversed.
    """
    return sha256(token.encode()).hexdigest()


def subscribe(
    invite: Invite, chat: ChatInfo, topic: str, user: int, language: str, now: float, lane_chat: str
) -> Subscription:
    """The subscription that an invitation gives a chat. The same invitation gives the same chat the
    same subscription.
    """
    name = f"{invite.id} {lane_chat} {topic}"
    return Subscription(
        id=blake2b(name.encode(), digest_size=4).hexdigest(),
        bot=invite.bot,
        chat=chat.id,
        lane_chat=lane_chat,
        topic=topic,
        user=user,
        who=chat.title,
        name=invite.name,
        matchers=invite.matchers,
        language=language,
        invite=invite.id,
        created_at=now,
    )


def subscribers(
    subscriptions: Iterable[Subscription], bots: Iterable[Bot], policy: Policy
) -> tuple[Subscriber, ...]:
    """The subscriptions in the form of the routing. Those of a bot that is no longer configured are
    left out.

    `policy` is that of all personal chats; language and mute are the subscription's own.
    """
    known = {BotId(bot.api, bot.account): bot for bot in bots}
    found = []
    for each in subscriptions:
        bot = known.get(each.bot)
        if bot:
            own = replace(
                policy, language=each.language or policy.language, muted_until=each.muted_until
            )
            found.append(
                Subscriber(each.matchers, Target(Endpoint(each.lane, bot.token, bot.http), own))
            )
    return tuple(found)


def described(subscription: Subscription) -> tuple[tuple[str, str], ...]:
    """The subscription in the words of a log line."""
    return (("id", subscription.id), ("name", subscription.name), ("invite", subscription.invite))


def catalogue_language(code: str) -> str:
    """The language of the catalogue that a person's app asks for; empty if the catalogue does not
    have it.
    """
    return code[:2] if code[:2] in LANGUAGES and code[2:3] in ("", "-") else ""
