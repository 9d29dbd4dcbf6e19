"""People and chats in SQL: each is a row with its value as JSON, found by bot and chat."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from relay.core.bot.people import (
    BotReply,
    ChatContext,
    ChatEntry,
    Invite,
    Subscription,
    UpdateEffects,
    hash_of,
    with_topics_of,
)
from relay.core.bot.update import BotId, Command, Ignored, Migrated, PollState, Update, further
from relay.core.budget import Block, Limit
from relay.core.card.card import Card
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.operator import probe
from relay.core.event import EndReason
from relay.core.notice import NOTICES
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import SUBSCRIPTION
from relay.store.people import BOT_REPLY_SECONDS, Outgoing, Turn
from relay.store.sql import budgets
from relay.store.sql.database import Database, Value
from relay.store.sql.settlements import DeliveryEnd, end
from relay.store.sql.unreadable import needed

_KEPT_INVITES = 30 * 86400.0  # seconds after its end during which an invitation is still listed
_MOST_CARDS = 500  # listed by /alerts, and for new subscribers
_MOST_CHATS = 5000  # in the registry: anyone may add a bot to their groups
_MOST_SAYINGS = 200  # that wait
_INVITE = "invite (id, bot, hash, expires_at, body) VALUES (?, ?, ?, ?, ?)"
_SUBSCRIPTION = "subscription (id, bot, chat, body) VALUES (?, ?, ?, ?)"
_encode = msgspec.json.encode
_card = msgspec.json.Decoder(Card).decode
_lane_key = msgspec.json.Decoder(LaneKey).decode
_lane_state = msgspec.json.Decoder(LaneState).decode
_poll_state = msgspec.json.Decoder(PollState).decode
_bot = msgspec.json.Decoder(BotId).decode
_entry = msgspec.json.Decoder(ChatEntry).decode
_invite = msgspec.json.Decoder(Invite).decode
_subscription = msgspec.json.Decoder(Subscription).decode
_bot_reply = msgspec.json.Decoder(BotReply).decode


def _text(value: LaneKey | BotId) -> str:
    return _encode(value).decode()


class SqlPeople:
    """`people.PeopleStore` in SQL."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def poll_state(self, bot: BotId) -> PollState:
        found = self._db.execute("SELECT body FROM bot WHERE key = ?", (_text(bot),)).fetchone()
        return _poll_state(found[0]) if found else PollState()

    def _keep_poll_state(self, bot: BotId, poll_state: PollState) -> None:
        self._db.execute(
            "INSERT INTO bot (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body ="
            " excluded.body",
            (_text(bot), self._db.encoded(poll_state)),
        )

    def keep_webhook(self, bot: BotId, address: str) -> None:
        self._keep_poll_state(bot, replace(self.poll_state(bot), webhook=address))

    def known(self, bot: BotId, update: Update) -> ChatContext:
        if isinstance(update, Ignored):
            return ChatContext(bot)
        chat = update.old if isinstance(update, Migrated) else update.chat.id
        rows = self._db.execute(
            "SELECT body FROM subscription WHERE bot = ? AND chat = ? ORDER BY rowid",
            (_text(bot), chat),
        )
        known = ChatContext(bot, self._registered(bot, chat), subscriptions=_all(rows))
        if isinstance(update, Command) and update.name == "start":
            invite = self._invited(bot, update.argument)
            return replace(known, invite=invite, cards=self._all_cards() if invite else ())
        if isinstance(update, Command) and update.name == "alerts":
            return replace(known, cards=self._cards(bot, chat, update.topic.id))
        return known

    def _registered(self, bot: BotId, chat: str) -> ChatEntry | None:
        found = self._db.execute(
            "SELECT body FROM chat WHERE bot = ? AND chat = ?", (_text(bot), chat)
        ).fetchone()
        return _entry(found[0]) if found else None

    def _invited(self, bot: BotId, token: str) -> Invite | None:
        found = self._db.execute(
            "SELECT body FROM invite WHERE bot = ? AND hash = ?", (_text(bot), hash_of(token))
        ).fetchone()
        return _invite(found[0]) if found else None

    def _cards(self, bot: BotId, chat: str, topic: str) -> tuple[Card, ...]:
        """The firing cards of the chat, or of a topic of it."""
        found: list[Card] = []
        for row, key, _ in self._lanes(bot, chat):
            if topic in ("", key.thread):
                rows = self._db.execute(
                    "SELECT body FROM card WHERE lane = ? AND firing = 1"
                    " ORDER BY urgent DESC LIMIT ?",
                    (row, _MOST_CARDS - len(found)),
                )
                found += [_card(body) for (body,) in rows]
        return tuple(found)

    def _all_cards(self) -> tuple[Card, ...]:
        """The firing cards of all chats, without the relay's own notices, and without chats whose
        subscription ended.
        """
        heard = {each.lane for each in self.subscriptions()}
        rows = self._db.execute(
            "SELECT key, body FROM card JOIN lane ON lane.id = card.lane WHERE firing = 1"
            " ORDER BY urgent DESC, card.id LIMIT ?",
            (_MOST_CARDS,),
        )
        found = [(_lane_key(key), _card(body)) for key, body in rows]
        return tuple(
            card
            for lane, card in found
            if card.group.receiver != NOTICES.receiver
            and (card.receiver != SUBSCRIPTION or lane in heard)
        )

    def _lanes(self, bot: BotId, chat: str) -> list[tuple[int, LaneKey, LaneState]]:
        """The lanes that lead to a chat, by their own id or one that was learnt."""
        prefix = _text(LaneKey("telegram", bot.api, bot.account, "")).partition('"chat":')[0]
        rows = self._db.execute(
            "SELECT id, key, state FROM lane WHERE key >= ? AND key < ?",
            (prefix, f"{prefix}\U0010ffff"),
        )
        lanes = [(row, _lane_key(key), _lane_state(state)) for row, key, state in rows]
        return [lane for lane in lanes if chat in (lane[1].chat, lane[2].chat)]

    def take_update(
        self, bot: BotId, update_id: int, effects: UpdateEffects, now: float
    ) -> tuple[LaneKey, ...]:
        self._keep_poll_state(
            bot, replace(self.poll_state(bot), next_update=update_id + 1, heard_at=now)
        )
        woken: list[LaneKey] = []
        if effects.moved:
            woken += self._move(bot, *effects.moved)
        if effects.entry:
            self._keep_entry(effects.entry)
        if effects.used:
            self._use(effects.used)
        if effects.added:
            self._keep(effects.added)
        for changed in effects.changed:
            self._keep(changed)
            self._look_at(changed.lane, now)
            woken.append(changed.lane)
        if effects.back:
            woken += self._revive(bot, effects.back, now)
        self.end_subscriptions(effects.ended)
        for bot_reply in effects.bot_replies:
            self.keep_bot_reply(bot, bot_reply, now)
        return tuple(woken)

    def _move(self, bot: BotId, old: str, new: str) -> list[LaneKey]:
        """Sends the lanes of the group to its new id, if they do not know it yet."""
        self._db.execute("DELETE FROM chat WHERE bot = ? AND chat = ?", (_text(bot), old))
        moved = [lane for lane in self._lanes(bot, old) if lane[2].chat != new]
        for row, _, state in moved:
            learnt = self._db.encoded(replace(state, chat=new, channel=state.channel and new))
            self._db.execute("UPDATE lane SET state = ? WHERE id = ?", (learnt, row))
        return [key for _, key, _ in moved]

    def _revive(self, bot: BotId, chat: str, now: float) -> list[LaneKey]:
        """Lets lanes of the chat that are down call at once."""
        down = [lane for lane in self._lanes(bot, chat) if lane[2].down]
        for row, _, state in down:
            self._db.execute(
                "UPDATE lane SET state = ? WHERE id = ?", (self._db.encoded(probe(state, now)), row)
            )
        return [key for _, key, _ in down]

    def _look_at(self, lane: LaneKey, now: float) -> None:
        self._db.execute(
            "UPDATE card SET ready = 0, due = ?, rank = 0"
            " WHERE lane = (SELECT id FROM lane WHERE key = ?)"
            " AND (due IS NOT NULL OR firing = 1)",
            (now, _text(lane)),
        )

    def _keep_entry(self, entry: ChatEntry) -> bool:
        """Stores the entry; False if there is no room for it."""
        key = (_text(entry.bot), entry.chat.id)
        kept = self._db.execute(
            "INSERT INTO chat (bot, chat, body) SELECT ?, ?, ? WHERE (SELECT count(*) FROM chat) "
            "< ?"
            " OR EXISTS (SELECT 1 FROM chat WHERE bot = ? AND chat = ?)"
            " ON CONFLICT (bot, chat) DO UPDATE SET body = excluded.body RETURNING 1",
            (*key, self._db.encoded(entry), _MOST_CHATS, *key),
        )
        return bool(kept.fetchall())

    def _use(self, invite_id: str) -> None:
        (body,) = self._db.execute("SELECT body FROM invite WHERE id = ?", (invite_id,)).fetchone()
        invite = _invite(body)
        self._db.execute(
            "UPDATE invite SET body = ? WHERE id = ?",
            (self._db.encoded(replace(invite, used=invite.used + 1)), invite_id),
        )

    def _keep(self, subscription: Subscription) -> None:
        self._db.execute(
            f"INSERT INTO {_SUBSCRIPTION} ON CONFLICT (id) DO UPDATE SET chat = excluded.chat, "
            "body = excluded.body",
            self._subscription_row(subscription),
        )

    def subscriptions(self) -> tuple[Subscription, ...]:
        return _all(self._db.execute("SELECT body FROM subscription ORDER BY rowid"))

    def end_subscriptions(self, ids: Sequence[str]) -> tuple[Subscription, ...]:
        ended: list[Subscription] = []
        for each in ids:
            ended += _all(
                self._db.execute(
                    "DELETE FROM subscription WHERE id = ? RETURNING body", (each,)
                ).fetchall()
            )
        left = {subscription.lane for subscription in self.subscriptions()} if ended else set()
        for lane in {subscription.lane for subscription in ended} - left:
            self._forget(lane)
        return tuple(ended)

    def _forget(self, lane: LaneKey) -> None:
        """Removes what is pending for subscribers of the lane, and stops watching groups
        for them.
        """
        found = self._db.execute("SELECT id FROM lane WHERE key = ?", (_text(lane),)).fetchone()
        if not found:
            return
        for table in ("watched", "standing"):
            self._db.execute(
                f"DELETE FROM {table} WHERE lane = ? AND owner = ?",  # noqa: S608 - one of two names
                (found[0], SUBSCRIPTION),
            )
        pending = self._db.execute(
            "SELECT seq FROM delivery WHERE lane = ? AND owner = ? AND settlement IS NULL",
            (found[0], SUBSCRIPTION),
        ).fetchall()
        end(
            self._db,
            lane.platform,
            found[0],
            [seq for (seq,) in pending],
            DeliveryEnd("dead", EndReason.SUBSCRIPTION_ENDED),
        )

    def fallen(self) -> tuple[tuple[Subscription, Down], ...]:
        found = []
        for subscription in self.subscriptions():
            row = self._db.execute(
                "SELECT state FROM lane WHERE key = ?", (_text(subscription.lane),)
            ).fetchone()
            down = _lane_state(row[0]).down if row else None
            if down:
                found.append((subscription, down))
        return tuple(found)

    def chats(self) -> tuple[ChatEntry, ...]:
        return tuple(
            _entry(body) for (body,) in self._db.execute("SELECT body FROM chat ORDER BY bot, chat")
        )

    def create_invite(self, invite: Invite) -> None:
        before = invite.created_at - _KEPT_INVITES
        self._db.execute("DELETE FROM invite WHERE expires_at < ?", (before,))
        self._db.execute(f"INSERT INTO {_INVITE}", self._invite_row(invite))

    def invites(self) -> tuple[Invite, ...]:
        return tuple(
            _invite(body) for (body,) in self._db.execute("SELECT body FROM invite ORDER BY rowid")
        )

    def revoke_invite(self, invite_id: str) -> bool:
        return bool(
            self._db.execute(
                "DELETE FROM invite WHERE id = ? RETURNING id", (invite_id,)
            ).fetchall()
        )

    def restore(
        self, invites: Sequence[Invite], subscriptions: Sequence[Subscription]
    ) -> tuple[int, int]:
        return (
            self._added(_INVITE, map(self._invite_row, invites)),
            self._added(_SUBSCRIPTION, map(self._subscription_row, subscriptions)),
        )

    def _added(self, into: str, rows: Iterable[Sequence[Value]]) -> int:
        adding = f"INSERT INTO {into} ON CONFLICT DO NOTHING RETURNING id"
        return sum(len(self._db.execute(adding, row).fetchall()) for row in rows)

    def restore_chats(self, entries: Sequence[ChatEntry]) -> int:
        restored = 0
        for entry in entries:
            known = self._registered(entry.bot, entry.chat.id)
            kept = self._keep_entry(with_topics_of(known, entry) if known else entry)
            restored += kept and known is None
        return restored

    def restore_poll_state(self, bot: BotId, found: PollState) -> None:
        self._keep_poll_state(bot, further(self.poll_state(bot), found))

    def bot_replies(self) -> tuple[Outgoing, ...]:
        rows = self._db.execute("SELECT id, bot, body FROM saying ORDER BY id")
        return tuple(Outgoing(row, _bot(bot), _bot_reply(body)) for row, bot, body in rows)

    def keep_bot_reply(self, bot: BotId, bot_reply: BotReply, now: float) -> None:
        self._db.execute(
            "INSERT INTO saying (bot, at, body) SELECT ?, ?, ? WHERE (SELECT count(*) FROM "
            "saying) < ?",
            (_text(bot), now, self._db.encoded(bot_reply), _MOST_SAYINGS),
        )

    def take_bot_reply(self, reply_id: int, limits: Sequence[Limit], now: float) -> Turn:
        (at,) = self._db.execute("SELECT at FROM saying WHERE id = ?", (reply_id,)).fetchone()
        dropped = now - at > BOT_REPLY_SECONDS
        if not dropped and not budgets.take_spare(self._db, limits, now):
            return "later"
        self._db.execute("DELETE FROM saying WHERE id = ?", (reply_id,))
        return "dropped" if dropped else "go"

    def block(self, blocks: Sequence[Block]) -> None:
        budgets.settle(self._db, (), blocks)

    def _invite_row(self, invite: Invite) -> tuple[Value, ...]:
        body = self._db.encoded(invite)
        return invite.id, _text(invite.bot), invite.hash, invite.expires_at, body

    def _subscription_row(self, told: Subscription) -> tuple[Value, ...]:
        return told.id, _text(told.bot), told.chat, self._db.encoded(told)


def _all(rows: Iterable[tuple[bytes]]) -> tuple[Subscription, ...]:
    return tuple(needed(_subscription, body) for (body,) in rows)
