"""The view that a template gets of a card, computed at the time of sending."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import reduce
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Labels, thing
from relay.core.card.brief_entries import DETAILED
from relay.core.card.card import Card, Entry, status
from relay.core.card.lane_state import LaneState
from relay.core.card.severity import rank
from relay.core.card.step import Reply, Step
from relay.core.card.subject import natural
from relay.core.card.view import AlertView, Late, Memory, Twin, View
from relay.core.routing.lane import Policy


class Pace(Struct, frozen=True):
    """How many calls the chat takes in a minute (0: unknown), and the times of the last ones, Unix
    seconds, ascending.
    """

    per_minute: int = 0
    calls: tuple[float, ...] = ()

    def explains(self, since: float, now: float) -> bool:
        """Whether the chat got about as many calls in that time as it takes, so that its limit is
        why others waited.
        """
        made = len(self.calls) - bisect_left(self.calls, since)
        return self.per_minute > 0 and made >= _BUSY * self.per_minute * (now - since) / 60


NO_MEMORY = Memory()
UNKNOWN_PACE = Pace()
_BUSY = 0.5  # fraction of the limit: topics share it, and calls are of different kinds
_STATES = {"firing": 0, "gone": 1, "resolved": 2}

LATE_AFTER = 120.0  # seconds from acceptance after which a message says that it is late and why


def build_view(
    card: Card,
    state: LaneState,
    step: Step,
    policy: Policy,
    now: float,
    memory: Memory = NO_MEMORY,
    pace: Pace = UNKNOWN_PACE,
) -> View:
    """The view of the card when `step` is sent at `now`. `memory` are the earlier episodes of its
    alert in the last seven days, for a card of one alert; `pace` tells whether the chat's own limit
    may be why the message is late.
    """
    found = tuple(_alert(entry, card) for entry in card.entries)
    alerts = one_line_each(found, policy.identity_ignores)
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
        late=late(card, state, now, pace),
        stale=card.stale,
        may_be_repeated=card.doubt,
        about=tuple(
            alert
            for alert in alerts
            if alert.fingerprint in about or any(twin.fingerprint in about for twin in alert.twins)
        ),
        fallback_for=card.fallback_for,
        memory=memory if len(alerts) == 1 else NO_MEMORY,
        went_on=card.went_on,
    )


def one_line_each(alerts: tuple[AlertView, ...], ignores: Set[str]) -> tuple[AlertView, ...]:
    """The alerts, with those that are the same thing (`alert.thing`) as one, which remembers its
    severity before it rose; equal ones in natural order. Alerts with only a brief entry stay as
    they are.
    """
    if len(alerts) == 1:
        return alerts
    leads: dict[frozenset[tuple[str, str]], AlertView] = {}
    for alert in alerts[:DETAILED]:
        key = thing(alert.labels, ignores)
        lead = leads.get(key)
        leads[key] = _with_twin(lead, alert) if lead else alert
    return (*_ordered(leads.values()), *alerts[DETAILED:])


def _ordered(alerts: Iterable[AlertView]) -> Iterator[AlertView]:
    """The alerts in the order of a card's entries (`card.urgency`), equal ones in natural order:
    node-2 before node-10.
    """
    for _, alike in groupby(sorted(alerts, key=_urgency), key=_urgency):
        several = [*alike]
        yield from sorted(several, key=_natural) if len(several) > 1 else several


def _with_twin(lead: AlertView, twin: AlertView) -> AlertView:
    before, now = twin.labels.get("severity", ""), lead.labels.get("severity", "")
    earlier = 0 < twin.starts_at < lead.starts_at
    lead = replace(lead, twins=(*lead.twins, Twin(twin.fingerprint, twin.status, twin.labels)))
    if before == now and twin.status == lead.status:  # a copy from another replica
        ends = [at for at in (lead.ends_at, twin.ends_at) if at is not None]
        began = twin.starts_at if earlier else lead.starts_at
        return replace(lead, starts_at=began, ends_at=max(ends, default=None))
    if lead.status == "firing" and rank(now) < rank(before) and earlier and not lead.was:
        return replace(lead, was=before, was_since=twin.starts_at)
    return lead


def _urgency(alert: AlertView) -> tuple[int, int, float]:
    return (_STATES[alert.status], rank(alert.labels.get("severity", "")), alert.starts_at)


def _natural(alert: AlertView) -> tuple[tuple[int, str], ...]:
    return natural(
        " ".join([value for name, value in sorted(alert.labels.items()) if name != "uid"])
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
        returned=entry.returned,
        given=entry.given,
        joined=card.shown is not None
        and entry.status == "firing"
        and entry.joined_at >= card.shown.edited_at,
    )


def _common(maps: Iterable[Mapping[str, str]]) -> Labels:
    """The pairs that all maps share, as Alertmanager computes them (template/template.go
    `Data`).
    """
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


def late(card: Card, state: LaneState, now: float, pace: Pace = UNKNOWN_PACE) -> Late | None:
    """How late the oldest delivery that the card waits to show is, and why; None if it is
    not late.
    """
    if card.waiting_since is None or now - card.waiting_since <= LATE_AFTER:
        return None
    seconds = now - card.waiting_since
    if state.trouble is None or 0.0 < state.trouble_until <= card.waiting_since:
        if pace.explains(card.waiting_since, now):
            return Late(seconds, "pace", card.waiting_since, now, pace.per_minute)
        return Late(seconds, "restarted", card.waiting_since, now)
    return Late(
        seconds,
        state.trouble,
        max(state.trouble_since, card.waiting_since),
        state.trouble_until or now,
    )
