"""Brings the suppressions that open cards show in line with Alertmanager's answers.

The answers are the truth. An empty answer of an Alertmanager that is young or settling proves
nothing, and a failing API changes no card.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from relay.core.alert import Labels, own_fingerprint
from relay.core.routing.matcher import Matcher

YOUNG = 300.0  # seconds of uptime within which an absence proves nothing
APART = 120.0  # seconds between the two absences that prove the end of an alert
PresenceState = Literal["left", "present", "absent", "gone"]
_MOST_NAMED = 200  # characters shown of a comment
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")  # of a label in a filter, before Alertmanager 0.27


class PeerStatus(Struct, frozen=True):
    """How far the answers of a peer count: seconds since its start (None: unknown), and the state
    of its cluster.
    """

    uptime: float | None
    cluster: str
    version: str = ""


class SeenSilence(Struct, frozen=True):
    """A silence in Alertmanager. Times are Unix seconds."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    state: Literal["active", "pending", "expired"]


class SeenAlert(Struct, frozen=True):
    """An alert in Alertmanager, with the silences and the alerts (fingerprints) that
    suppress it.
    """

    labels: Labels
    fingerprint: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class Suppressed(Struct, frozen=True):
    """Why Alertmanager does not notify of an alert: `silenced` until `until` (Unix seconds, 0.0
    unknown), by whom, with the comment; or `inhibited` by the alert that `by` names.
    """

    kind: Literal["silenced", "inhibited"]
    until: float = 0.0
    by: str = ""
    comment: str = ""
    silence_id: str = ""


class Poll(Struct, frozen=True):
    """One answer of an Alertmanager: the alerts that it suppresses, and its silences."""

    status: PeerStatus
    suppressed: tuple[SeenAlert, ...]
    silences: tuple[SeenSilence, ...]


class Presence(Struct, frozen=True):
    """What is known of an alert that is missing from a payload of its group, or from the suppressed
    alerts.

    `left`: it has to be asked for; `present`: Alertmanager has it; `absent`: Alertmanager did not
    have it when asked first; `gone`: nor when asked again `APART` later. `since` is when that state
    began, for `gone` the time of the first absence (Unix seconds).
    """

    state: PresenceState
    since: float


class AbsentAlert(Struct, frozen=True):
    """An alert that is missing from a list, with as many of its labels as a card keeps."""

    presence: Presence
    labels: Labels


class PeerAnswer(Struct, frozen=True):
    """The alerts that a peer has, of those that were asked for."""

    status: PeerStatus
    alerts: tuple[SeenAlert, ...]


class Reconciled(Struct, frozen=True):
    """The changes: new or other suppressions by alert, alerts that are no longer suppressed, and
    what was learnt about missing alerts. `twice` are silences that one action made more than once,
    to be ended.
    """

    suppressed: dict[str, Suppressed]
    freed: tuple[str, ...]
    twice: tuple[str, ...] = ()
    presences: dict[str, Presence] = {}


def reconcile(
    shown: Iterable[str],
    known: Mapping[str, Suppressed],
    poll: Poll,
    names: Mapping[str, str],
    now: float,
) -> Reconciled:
    """Compares an answer with what is known of the alerts on open cards, by alert key. `names` are
    the cards' names for alerts, by Alertmanager's fingerprint.
    """
    seen = {own_fingerprint(alert.labels): alert for alert in poll.suppressed}
    seen |= {alert.fingerprint: alert for alert in poll.suppressed}
    silences = {silence.id: silence for silence in poll.silences}
    changed: dict[str, Suppressed] = {}
    freed: list[str] = []
    for key in shown:
        alert, before = seen.get(key), known.get(key)
        if alert is not None:
            after = _suppressed(alert, silences, names)
            if after is None and before is not None:
                freed.append(key)
            elif after is not None and after != before:
                changed[key] = after
        elif before is not None and _is_over(before, silences, poll.status, now):
            freed.append(key)
    return Reconciled(changed, tuple(freed), _twice(poll.silences))


def is_believed(status: PeerStatus) -> bool:
    """Whether the absence of an alert from the peer's answer may count."""
    is_old = status.uptime is not None and status.uptime >= YOUNG
    return is_old and bool(status.version) and status.cluster != "settling"


def asked_by(asked: Iterable[Labels]) -> tuple[Matcher, ...]:
    """The matchers of one request for these alerts: what all of them share."""
    found = list(asked)
    shared = {
        name: value
        for name, value in (found[0] if found else {}).items()
        if _NAME.fullmatch(name) and all(labels.get(name) == value for labels in found)
    }
    return tuple(Matcher(name, "=", value) for name, value in sorted(shared.items()) if value)


def presences(
    asked: Mapping[str, AbsentAlert], peers: Sequence[PeerAnswer], now: float
) -> dict[str, Presence]:
    """The changes that follow from the answers of all peers that could be reached, by alert key. An
    alert has ended when each of those peers lacks it and counts, twice, at least `APART` seconds
    apart. Without such answers nothing changes.
    """
    known = {alert.fingerprint for peer in peers for alert in peer.alerts}
    labels = {_spelled(alert.labels) for peer in peers for alert in peer.alerts}
    proves = bool(peers) and all(is_believed(peer.status) for peer in peers)
    changed: dict[str, Presence] = {}
    for key, each in asked.items():
        before = each.presence
        if key in known or _spelled(each.labels) in labels:
            changed[key] = Presence("present", now)
        elif not proves or before.state == "gone":
            continue
        elif before.state != "absent":
            changed[key] = Presence("absent", now)
        elif now - before.since >= APART:
            changed[key] = Presence("gone", before.since)
    return changed


def asked_again_at(found: Iterable[Presence]) -> float | None:
    """When the first of the alerts that were absent once is to be asked for again, Unix seconds."""
    return min((each.since + APART for each in found if each.state == "absent"), default=None)


def _spelled(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _suppressed(
    alert: SeenAlert, silences: Mapping[str, SeenSilence], names: Mapping[str, str]
) -> Suppressed | None:
    """The silence that lasts longest, or else an inhibition."""
    found = [silences[each] for each in alert.silenced_by if each in silences]
    live = [each for each in found if each.state == "active"]
    if live:
        last = max(live, key=lambda each: (each.ends_at, each.id))
        comment = last.comment[:_MOST_NAMED]
        return Suppressed("silenced", last.ends_at, last.created_by, comment, last.id)
    if alert.silenced_by:
        return Suppressed("silenced", silence_id=alert.silenced_by[0])
    if alert.inhibited_by:
        by = next((names[each] for each in alert.inhibited_by if each in names), "")
        return Suppressed("inhibited", by=by)
    return None


def _is_over(
    before: Suppressed, silences: Mapping[str, SeenSilence], status: PeerStatus, now: float
) -> bool:
    """Whether the suppression has ended. Silences survive a restart of Alertmanager, alerts do not:
    a silence that is in the list still holds for an alert that a young Alertmanager has not got
    again.
    """
    silence = silences.get(before.silence_id)
    if before.kind == "silenced":
        if before.until and before.until <= now:
            return True
        if silence is not None and silence.state == "expired":
            return True
    return is_believed(status)


def _twice(silences: Sequence[SeenSilence]) -> tuple[str, ...]:
    """Of the live silences with one action's id all but the first. There are several if the answer
    to a call was lost and the call was repeated at another peer.
    """
    first: dict[str, SeenSilence] = {}
    extra: list[str] = []
    live = [each for each in silences if each.state != "expired"]
    for silence in sorted(live, key=lambda each: (each.starts_at, each.id)):
        at = silence.comment.rfind("[alert-relay ")
        if at < 0:
            continue
        action = silence.comment[at:].rstrip("]").partition(":")[0]
        if action in first:
            extra.append(silence.id)
        first.setdefault(action, silence)
    return tuple(extra)
