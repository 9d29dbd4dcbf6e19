"""An alert of a card, and how a report of it, or its absence from a report, changes it."""

from typing import Literal

from msgspec.structs import replace

from relay.core.alert import Alert
from relay.core.card.card import Entry

FIRST = "first notification"  # Alertmanager notify/notify.go
# Seconds by which a start may lie before the last report and still begin a new episode: Prometheus
# has another clock than the relay.
_CLOCKS_APART = 60.0
# Seconds after the known start within which another start is a replica's for the same episode.
_REPLICAS_APART = 120.0
# Seconds for which an absence must last if Alertmanager may have lost its notification log.
_UNPROVEN = 300.0


def fires(entry: Entry) -> bool:
    """Whether the alert fires."""
    return entry.status == "firing"


def reported(old: Entry | None, alert: Alert, at: float, via: str = "") -> Entry:
    """The alert of a card after a report of it, accepted at `at` (Unix seconds), from the card's
    own group or from `via`.
    """
    if old is None or is_new_episode(old, alert):
        ends_at = alert.ends_at if alert.status == "resolved" else None
        return _new(alert, at, via, alert.status, ends_at)
    said = _said(old, alert, at, via)
    return _ended(said, old, alert, at) if alert.status == "resolved" else _fired(said, old, alert)


def continued(old: Entry, alert: Alert, at: float, via: str) -> Entry:
    """The alert that continues the episode of another one of the same identity."""
    firing = replace(old, status="firing", ends_at=None, held_since=None)
    said = _fired(_said(firing, alert, at, via), firing, alert)
    return replace(said, starts_at=old.starts_at, joined_at=old.joined_at, follows=old.fingerprint)


def _said(old: Entry, alert: Alert, at: float, via: str) -> Entry:
    return replace(
        old,
        fingerprint=alert.fingerprint,
        given=alert.given,
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        seen=at,
        via=via,
        absent_since=None,
        unproven=False,
    )


def is_new_episode(old: Entry, alert: Alert) -> bool:
    """Whether the alert began anew although the end of the earlier episode was never posted
    (`send_resolved: false`, or a lost payload): it starts after its last report, and is not a copy
    from another replica.
    """
    return (
        alert.status == "firing"
        and old.status != "resolved"
        and old.starts_at > 0
        and alert.starts_at > old.seen - _CLOCKS_APART
        and alert.starts_at > old.starts_at + _REPLICAS_APART
    )


def _ended(said: Entry, old: Entry, alert: Alert, at: float) -> Entry:
    if fires(old) and _ended_before(alert, old.starts_at):
        return said
    # A copy from a peer may end a moment later.
    known = old.ends_at if old.status == "resolved" else None
    ended = max(known or alert.ends_at or old.ends_at or at, old.starts_at)
    return replace(said, status="resolved", ends_at=ended, held_since=None, returned=False)


def _fired(said: Entry, old: Entry, alert: Alert) -> Entry:
    at = said.seen
    if fires(old) or old.status == "gone":
        # Copies from two Prometheus replicas differ in startsAt. Alertmanager keeps the earlier one
        # too (alert/alert.go).
        began = min(filter(None, (old.starts_at, alert.starts_at)), default=0.0)
        joined = old.joined_at if fires(old) else at
        back = old.status == "gone" or old.returned
        return replace(
            said, status="firing", starts_at=began, ends_at=None, joined_at=joined, returned=back
        )
    if alert.starts_at > (old.ends_at or 0.0):
        return _new(alert, at, said.via, "firing", None)
    return replace(said, held_since=old.held_since if old.held_since is not None else at)


def _ended_before(alert: Alert, start: float) -> bool:
    """Whether it is the end of an earlier episode. A start that equals the end is none:
    Alertmanager gives it to an end that was posted without a start, such as amtool's, and such an
    end applies to whatever fires (api/v2/api.go).
    """
    return alert.ends_at is not None and alert.starts_at < alert.ends_at < start


def _new(
    alert: Alert,
    at: float,
    via: str,
    now_status: Literal["firing", "resolved"],
    ends_at: float | None,
) -> Entry:
    ended = (ends_at or at) if now_status == "resolved" else None
    return Entry(
        fingerprint=alert.fingerprint,
        given=alert.given,
        status=now_status,
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        starts_at=alert.starts_at,
        ends_at=ended,
        joined_at=at,
        seen=at,
        via=via,
    )


def absent(entry: Entry, at: float, via: str, reason: str) -> Entry:
    """The alert after a whole payload of the group without it: it may be gone, and a held firing is
    dropped. A first notification of a known group proves little, since Alertmanager may have
    restarted without its log. `via` is as in `Entry`.
    """
    if entry.seen >= at or entry.via != via:
        return entry
    if entry.held_since is not None:
        return replace(entry, held_since=None)
    if not fires(entry):
        return entry
    if entry.absent_since is None:
        return replace(entry, absent_since=at, unproven=reason == FIRST)
    return replace(entry, unproven=False) if entry.unproven and reason != FIRST else entry


def ripe(entry: Entry, hold: float, now: float) -> Entry:
    """The alert after its hold, if that is over by `now`: it fires after all, or is gone."""
    at = ripens_at(entry, hold)
    if at is None or at > now:
        return entry
    if entry.held_since is not None:
        return replace(entry, status="firing", ends_at=None, held_since=None, joined_at=now)
    return replace(
        entry, status="gone", ends_at=entry.absent_since, absent_since=None, unproven=False
    )


def ripens_at(entry: Entry, hold: float) -> float | None:
    """When the hold of the alert is over, Unix seconds. `hold` is `late_hold` in seconds."""
    if entry.held_since is not None:
        return entry.held_since + hold
    if entry.absent_since is not None:
        return entry.absent_since + (max(hold, _UNPROVEN) if entry.unproven else hold)
    return None


def goes_on(entry: Entry, hold: float, at: float) -> bool:
    """Whether an alert of the same identity continues this one: it fires, or ended at most `hold`
    seconds ago.
    """
    return fires(entry) or (entry.ends_at is not None and entry.ends_at + hold >= at)
