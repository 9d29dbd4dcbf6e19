"""Looking: the view that a template gets of a card, computed at the time of sending."""

from collections.abc import Iterable, Mapping
from functools import reduce

from relay.core.alert import Labels
from relay.core.card.card import Card, Entry, status
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Reply, Step
from relay.core.card.view import AlertView, Late, View
from relay.core.routing.lane import Policy

LATE_AFTER = 120.0  # seconds from acceptance after which a message says that it is late, and why


def build_view(card: Card, state: LaneState, step: Step, policy: Policy, now: float) -> View:
    """The card as a template sees it when `step` is sent at `now`."""
    alerts = tuple(_alert(entry, card) for entry in card.entries)
    about = set(step.about) if isinstance(step, Reply) else set()
    return View(
        receiver=policy.receiver,
        status=status(card),
        alerts=alerts,
        group_labels=card.head.group_labels,
        common_labels=_common(entry.labels for entry in card.entries),
        common_annotations=_common(entry.annotations for entry in card.entries),
        route_labels=card.head.route_labels,
        external_url=card.head.external_url,
        notification_reason=card.head.reason,
        truncated_alerts=card.head.truncated,
        group_key=card.group.group_key,
        change=card.change,
        now=now,
        since=_since(card),
        until=_until(card),
        rounds=card.rounds,
        late=late(card, state, now),
        stale=card.stale,
        may_be_repeated=card.doubt,
        about=tuple(alert for alert in alerts if alert.fingerprint in about),
        fallback_for=card.fallback_for,
    )


def _alert(entry: Entry, card: Card) -> AlertView:
    return AlertView(
        status=entry.status,
        labels=entry.labels,
        annotations=entry.annotations,
        starts_at=entry.starts_at,
        ends_at=entry.ends_at,
        generator_url=entry.generator_url,
        fingerprint=entry.fingerprint,
        joined=card.shown is not None
        and entry.status == "firing"
        and entry.joined_at >= card.shown.edited_at,
    )


def _common(maps: Iterable[Mapping[str, str]]) -> Labels:
    """What all maps share, as Alertmanager computes it (template/template.go `Data`)."""
    rest = iter(maps)
    first = dict(next(rest, {}))
    return reduce(
        lambda common, other: {k: v for k, v in common.items() if other.get(k) == v}, rest, first
    )


def _since(card: Card) -> float:
    return min(
        (e.starts_at for e in card.entries if e.starts_at),
        default=card.waiting_since or card.heard_at,
    )


def _until(card: Card) -> float | None:
    if status(card) == "firing":
        return None
    return max((entry.ends_at for entry in card.entries if entry.ends_at), default=card.heard_at)


def late(card: Card, state: LaneState, now: float) -> Late | None:
    """By how much and why what the card waits to show comes late; None when it does not."""
    if card.waiting_since is None or now - card.waiting_since <= LATE_AFTER:
        return None
    seconds = now - card.waiting_since
    if state.trouble is None or 0.0 < state.trouble_until <= card.waiting_since:
        return Late(seconds, "restarted", card.waiting_since, now)
    return Late(
        seconds,
        state.trouble,
        max(state.trouble_since, card.waiting_since),
        state.trouble_until or now,
    )
