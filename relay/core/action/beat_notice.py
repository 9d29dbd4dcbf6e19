"""The notice of a heartbeat that is lost or back: an alert of the relay's own."""

from hashlib import blake2b

import msgspec

from relay.core.action.heartbeat import Beat, Lost
from relay.core.action.settings import HeartbeatConfig
from relay.core.alert import OWN_PREFIX, Alert, Labels, Notification
from relay.core.text.richtext import RichText
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader

NAME = "HeartbeatLost"
OWN_RECEIVER, KIND = "alert-relay", "heartbeat"
REPEATED = "repeat interval elapsed"
_BEHIND = 0.001  # seconds: the beat that ended one loss may also be the last one before the next
TOLD_AGAIN = 4 * 3600.0  # seconds


def spelled(beat: Beat) -> str:
    """The heartbeat for people: its name, and the values that tell it from others of that name."""
    values = ", ".join(value for value in beat.values if value)
    return f"{beat.name} ({values})" if values else beat.name


def lost_text(found: Lost, reader: Reader) -> str:
    """Since when no beat came, and the likely reason."""
    since = reader.time(found.since).rich()
    said = act(reader.language, "beat_lost", name=spelled(found.beat), since=since)
    why = _why(found, reader)
    return f"{said.text}: {why.text}" if why else said.text


def _why(found: Lost, reader: Reader) -> RichText | None:
    match found.cause:
        case "silence":
            return None
        case "refused":
            return act(reader.language, "beat_refused", found.refused)
        case "slept":
            return act(reader.language, "beat_slept")
        case "suppressed":
            by = found.suppressed
            if by is None or by.kind == "inhibited":
                return act(reader.language, "beat_inhibited")
            until = reader.time(by.until).rich()
            return act(reader.language, "beat_suppressed", name=by.by, until=until)


def notification(
    config: HeartbeatConfig, beat: Beat, text: str, now: float, *, firing: bool, reason: str = ""
) -> Notification:
    """The loss, or its end at `now`, as Alertmanager would post it."""
    by = {name: value for name, value in zip(config.by, beat.values, strict=False) if value}
    labels: Labels = {"alertname": NAME, "severity": "critical", "heartbeat": beat.name, **by}
    identity = msgspec.json.encode((beat.name, beat.values))
    alert = Alert(
        status="firing" if firing else "resolved",
        labels=labels,
        annotations={"summary": text},
        starts_at=beat.seen_at + _BEHIND,
        ends_at=None if firing else now,
        generator_url="",
        fingerprint=blake2b(identity, digest_size=8).hexdigest(),
    )
    return Notification(
        source="",
        receiver=OWN_RECEIVER,
        group_key=f"{OWN_PREFIX}{KIND}/{beat.name}/{','.join(beat.values)}",
        status=alert.status,
        alerts=(alert,),
        group_labels={"alertname": NAME},
        common_labels=labels,
        common_annotations=alert.annotations,
        route_labels={},
        external_url="",
        reason=reason,
        truncated=0,
        state=int(firing),
    )
