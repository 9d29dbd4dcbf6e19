"""Salvage: the running storage accepts the readable part of a damaged one."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.bot.people import ChatEntry, Invite, Subscription
from relay.core.bot.update import BotId, PollState
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, QUIET
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.core.turn.change import CardChange
from relay.store.protocol import NewPayload, Store
from relay.store.sql.unreadable import ERRORS, readable
from relay.store.sqlite import damaged_file as wreck
from relay.store.sqlite.damaged_file import Wreck, WreckedCard, WreckedDelivery, WreckedLane

T = TypeVar("T")
_lane_key = msgspec.json.Decoder(LaneKey).decode
_group = msgspec.json.Decoder(GroupId).decode
_card = msgspec.json.Decoder(Card).decode
_notification = msgspec.json.Decoder(Notification).decode
_indexes = msgspec.json.Decoder(tuple[int, ...]).decode
_invite = msgspec.json.Decoder(Invite).decode
_subscription = msgspec.json.Decoder(Subscription).decode
_entry = msgspec.json.Decoder(ChatEntry).decode
_bot = msgspec.json.Decoder(BotId).decode
_poll_state = msgspec.json.Decoder(PollState).decode
_Key = tuple[str, str]  # a card's group and fingerprint, as the file has them


class Piece(Struct, frozen=True):
    """A card of the damaged storage, if it could be read, with its pending deliveries in order of
    acceptance. `unreadable` counts those that could not be read.
    """

    lane: LaneKey
    group: GroupId
    fingerprint: str
    change: CardChange | None
    arrivals: tuple[NewPayload, ...]
    unreadable: int = 0


class People(Struct, frozen=True):
    """The invitations, subscriptions and chats of the damaged storage, and the last update of each
    bot. `unreadable` counts those that could not be read.
    """

    invites: tuple[Invite, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    chats: tuple[ChatEntry, ...] = ()
    poll_state: tuple[tuple[BotId, PollState], ...] = ()
    unreadable: int = 0


class Salvaged(Struct, frozen=True, tag="salvaged"):
    """The result of a salvage. `outdated` deliveries are left out, since their chats have been told
    something newer. `unreadable` are deliveries, `strangers` invitations, subscriptions, chats and
    bots that could not be read.
    """

    deliveries: int = 0
    cards: int = 0
    outdated: int = 0
    unreadable: int = 0
    lanes: tuple[LaneKey, ...] = ()
    invites: int = 0
    subscriptions: int = 0
    chats: int = 0
    strangers: int = 0

    def __add__(self, other: "Salvaged") -> "Salvaged":
        return Salvaged(
            self.deliveries + other.deliveries,
            self.cards + other.cards,
            self.outdated + other.outdated,
            self.unreadable + other.unreadable,
            self.lanes
            if other.lanes == self.lanes[-1:]
            else tuple(dict.fromkeys(self.lanes + other.lanes)),
            self.invites + other.invites,
            self.subscriptions + other.subscriptions,
            self.chats + other.chats,
            self.strangers + other.strangers,
        )


def salvage(file: Path, store: Store) -> Salvaged:
    """Salvages the whole file in the present transaction. Raises NothingToSalvage."""
    total = Salvaged()
    for piece in pieces(file):
        total += take_in(store, [piece])
    return total


def pieces(file: Path) -> Generator[People | Piece]:
    """The readable contents: people first, since routes to them depend on them, then card by card.
    `file` is not changed. Raises NothingToSalvage.
    """
    with wreck.opened(file) as found:
        yield _people(found)
        cards: dict[int, dict[_Key, WreckedCard]] = {}
        for card in found.cards():
            cards.setdefault(card.lane, {})[card.group, card.fingerprint] = card
        for lane in found.lanes():
            yield from _lane(found, lane, cards.get(lane.id, {}))


def take_in(store: Store, found: Sequence[People | Piece]) -> Salvaged:
    """Accepts the pieces in the present transaction. Existing entries of the storage win."""
    total = Salvaged()
    for piece in found:
        total += _welcome(store, piece) if isinstance(piece, People) else _take_in(store, piece)
    return total


def _welcome(store: Store, people: People) -> Salvaged:
    invites, subscriptions = store.people.restore(people.invites, people.subscriptions)
    chats = store.people.restore_chats(people.chats)
    for bot, poll_state in people.poll_state:
        store.people.restore_poll_state(bot, poll_state)
    return Salvaged(
        invites=invites, subscriptions=subscriptions, chats=chats, strangers=people.unreadable
    )


def _take_in(store: Store, piece: Piece) -> Salvaged:
    known = store.card(piece.lane, piece.group, piece.fingerprint)
    lease = store.take(piece.lane) if known is None and piece.change is not None else None
    if lease and piece.change is not None:
        store.fold(lease, [piece.change])
    wanted = [
        new_payload
        for new_payload in piece.arrivals
        if known is None or new_payload.accepted_at > known.heard_at
    ]
    for new_payload in wanted:
        store.accept([new_payload])
    return Salvaged(
        deliveries=len(wanted),
        cards=int(known is None and piece.change is not None),
        outdated=len(piece.arrivals) - len(wanted),
        unreadable=piece.unreadable,
        lanes=(piece.lane,),
    )


def _people(found: Wreck) -> People:
    invites = [readable(_invite, body) for body in found.people("invite")]
    subscriptions = [readable(_subscription, body) for body in found.people("subscription")]
    chats = [readable(_entry, body) for body in found.chats()]
    bots = [_listening(*row) if row else None for row in found.bots()]
    return People(
        tuple(invite for invite in invites if invite),
        tuple(subscription for subscription in subscriptions if subscription),
        tuple(chat for chat in chats if chat),
        tuple(bot for bot in bots if bot),
        sum(each.count(None) for each in (invites, subscriptions, chats, bots)),
    )


def _listening(key: bytes, body: bytes) -> tuple[BotId, PollState] | None:
    bot, poll_state = readable(_bot, key), readable(_poll_state, body)
    return (bot, poll_state) if bot and poll_state else None


def _lane(found: Wreck, lane: WreckedLane, cards: dict[_Key, WreckedCard]) -> Iterator[Piece]:
    try:
        key = _lane_key(lane.key)
    except ERRORS:
        return
    pending: dict[_Key, list[WreckedDelivery]] = {}
    for delivery in found.pending(lane):
        pending.setdefault((delivery.group, delivery.fingerprint), []).append(delivery)
    for of in dict.fromkeys((*cards, *pending)):
        piece = _piece(found, key, of, cards.get(of), pending.get(of, []))
        if piece is not None:
            yield piece


def _piece(
    found: Wreck, lane: LaneKey, of: _Key, card: WreckedCard | None, pending: list[WreckedDelivery]
) -> Piece | None:
    try:
        group = _group(of[0])
    except ERRORS:
        return None
    if group in (DIGEST, QUIET):
        return None
    read = [
        _arrival(lane, group, delivery, found.body("payload", delivery.payload))
        for delivery in pending
    ]
    arrivals = tuple(new_payload for new_payload in read if new_payload is not None)
    change = _change(card, group, found.body("card", card.id)) if card else None
    return Piece(lane, group, of[1], change, arrivals, found.unread() + len(read) - len(arrivals))


def _change(card: WreckedCard, group: GroupId, body: bytes) -> CardChange | None:
    read = readable(_card, body)
    if read is None or (read.group, read.fingerprint) != (group, card.fingerprint):
        return None
    return CardChange(
        replace(read, folded_seq=0, shown_seq=0, absorbed=False), card.due, bool(card.urgent)
    )


def _arrival(
    lane: LaneKey, group: GroupId, delivery: WreckedDelivery, body: bytes
) -> NewPayload | None:
    try:
        alerts = None if delivery.alerts is None else _indexes(delivery.alerts)
        _notification(body)
    except ERRORS:
        return None
    to = Delivery(lane, delivery.receiver, delivery.fingerprint, alerts)
    return NewPayload(group, body, delivery.accepted_at, (to,), last=False)
