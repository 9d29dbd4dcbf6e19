"""Rounds: what a card owes its chat when alerts begin to fire or end."""

from collections.abc import Sequence, Set

from msgspec.structs import replace

from relay.core.alert import thing
from relay.core.card.brief_entries import DETAILED
from relay.core.card.card import Card, OwedReply, is_firing, status
from relay.core.card.entry import fires
from relay.core.card.severity import rank
from relay.core.card.view import Change, Round
from relay.core.routing.lane import Policy

_ROUNDS_KEPT = 20
_NEWS = frozenset({"joined", "raised", "again"})  # replies about alerts that began to fire


def owe(card: Card, owed: OwedReply, *, wanted: bool) -> Card:
    """The card with one more reply due, if the chat shows the card at all; at most one reply of a
    kind is owed.
    """
    if card.shown is None or not wanted:
        return card
    same = [reply for reply in card.owed if reply.kind == owed.kind]
    about = tuple(
        dict.fromkeys(fingerprint for reply in (*same, owed) for fingerprint in reply.about)
    )
    since = min((reply.since for reply in same), default=owed.since)
    return replace(
        card,
        owed=(*(r for r in card.owed if r.kind != owed.kind), OwedReply(owed.kind, about, since)),
    )


def without_old_news(card: Card) -> Card:
    """The card without replies that say that alerts began to fire which are over by now."""
    if not any(reply.kind in _NEWS for reply in card.owed):
        return card
    firing = {entry.fingerprint for entry in card.entries if fires(entry)}
    news = (
        replace(reply, about=tuple(each for each in reply.about if each in firing))
        if reply.kind in _NEWS
        else reply
        for reply in card.owed
    )
    owed = tuple(reply for reply in news if reply.about or reply.kind not in _NEWS)
    return card if owed == card.owed else replace(card, owed=owed)


def fire(
    card: Card,
    before: Card,
    fresh: Sequence[str],
    anew: Sequence[str],
    at: float,
    policy: Policy,
) -> Card:
    """The card after the alerts `fresh` began to fire: they join a firing card, or begin a new
    round of one that had ended. Those in `anew` fired before and began again without an end.
    """
    card = replace(card, owed=tuple(reply for reply in card.owed if reply.kind != "resolved"))
    if not before.entries:
        return replace(card, closed_at=None)
    if card.closed_at is not None:
        return _reopen(
            card, before, card.closed_at, at - card.closed_at <= policy.lifecycle.reopen_window
        )
    if not is_firing(before):
        again = OwedReply("again", (*fresh, *anew), at)
        return owe(replace(card, change="again"), again, wanted=True)
    if anew:
        card = owe(replace(card, change="again"), OwedReply("again", tuple(anew), at), wanted=True)
    raised, joined = _risen(card, before, fresh, policy.identity_ignores)
    if raised:
        card = owe(card, OwedReply("raised", raised, at), wanted=policy.lifecycle.reply_joined)
    if joined:
        card = owe(card, OwedReply("joined", joined, at), wanted=policy.lifecycle.reply_joined)
    return card


def _risen(
    card: Card, before: Card, fresh: Sequence[str], ignores: Set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The alerts that fired with a lower severity before, and those that are news. An alert that
    fired with a higher severity already is neither.
    """
    known: dict[frozenset[tuple[str, str]], int] = {}
    for entry in before.entries[:DETAILED]:
        if fires(entry):
            key = thing(entry.labels, ignores)
            known[key] = min(rank(entry.severity), known.get(key, rank(entry.severity)))
    news = set(fresh)
    raised: list[str] = []
    joined: list[str] = []
    for entry in card.entries:
        if entry.fingerprint not in news:
            continue
        had = known.get(thing(entry.labels, ignores))
        if had is None:
            joined.append(entry.fingerprint)
        elif rank(entry.severity) < had:
            raised.append(entry.fingerprint)
    return tuple(raised), tuple(joined)


def _reopen(card: Card, before: Card, closed_at: float, soon: bool) -> Card:  # noqa: FBT001 - a fact, not a switch
    """A new round. It replies to the earlier one, and counts with it if it comes soon enough."""
    began = min((entry.starts_at for entry in before.entries if entry.starts_at), default=closed_at)
    ended = max((entry.ends_at for entry in before.entries if entry.ends_at), default=closed_at)
    return replace(
        card,
        entries=tuple(
            entry for entry in card.entries if fires(entry) or entry.held_since is not None
        ),
        rounds=(*card.rounds, Round(began, ended))[-_ROUNDS_KEPT:] if soon else (),
        previous=(card.shown.message if card.shown else card.previous) if soon else None,
        shown=None,
        owed=(),
        change="again",
        closed_at=None,
        doubt=False,
        announced=False,
        listed=False,
    )


def close(card: Card, before: Card, at: float, policy: Policy) -> Card:
    """The card after its last firing alert ended: a closing reply is due, and no other."""
    if is_firing(card) or not is_firing(before):
        return card
    wanted = policy.lifecycle.reply_resolved and policy.send_resolved and status(card) == "resolved"
    return owe(replace(card, owed=()), OwedReply("resolved", (), at), wanted=wanted)


def change_of(before: Card, after: Card, grew: bool) -> Change:  # noqa: FBT001 - a fact, not a switch
    if before.shown is None and before.closed_at is None:
        return before.change
    if not is_firing(after):
        return "resolved"
    return "grew" if grew else "shrank"
