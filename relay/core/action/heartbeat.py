"""Heartbeats: alerts that have to arrive again and again, and the notice of their loss."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.reconcile import Suppressed
from relay.core.action.settings import HeartbeatConfig
from relay.core.alert import Alert
from relay.core.routing.matcher import matches


class Beat(Struct, frozen=True):
    """A heartbeat at its last arrival. `values` are those of the labels `by`. Times are Unix
    seconds. `heard`: it arrived at all; otherwise `seen_at` is when it was configured. `lost_at`:
    when its loss was told, `told_at`: when that was told last; `back_at`: when it came again, if
    that is not told yet.
    """

    name: str
    values: tuple[str, ...]
    seen_at: float
    heard: bool = True
    lost_at: float | None = None
    told_at: float = 0.0
    back_at: float | None = None


class Outage(Struct, frozen=True):
    """Reasons of our own for a missing beat: the relay has listened since `up_since` (Unix
    seconds), and has answered `refused` payloads of the source with 503 since the last beat.
    """

    up_since: float
    refused: int = 0


Cause = Literal["silence", "refused", "suppressed", "slept"]


class Lost(Struct, frozen=True):
    """The heartbeat is lost since `since`. `cause`: nothing came (`silence`), the relay refused
    payloads (`refused`), its alert is suppressed, as `suppressed` says, or the relay was down for
    part of the time (`slept`).
    """

    beat: Beat
    since: float
    cause: Cause
    refused: int = 0
    suppressed: Suppressed | None = None


class Back(Struct, frozen=True):
    """The heartbeat is back after `gap` seconds."""

    beat: Beat
    gap: float


def sort_out(
    configs: Sequence[HeartbeatConfig], source: str, alerts: Sequence[Alert]
) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[int, ...]]:
    """The heartbeats in a payload, by name and values of `by`, and the indexes of the other alerts.
    A resolved heartbeat is in neither.
    """
    beats: dict[tuple[str, tuple[str, ...]], None] = {}
    rest: list[int] = []
    for index, alert in enumerate(alerts):
        found = [
            each
            for each in configs
            if each.source == source and matches(each.matchers, alert.labels)
        ]
        if not found:
            rest.append(index)
        elif alert.status == "firing":
            for each in found:
                values = tuple(alert.labels.get(label, "") for label in each.by)
                beats[(each.name, values)] = None
    return tuple(beats), tuple(rest)


def first_beats(
    configs: Iterable[HeartbeatConfig], known: Iterable[Beat], now: float
) -> tuple[Beat, ...]:
    """A beat for each heartbeat that never arrived, so that its silence is noticed."""
    names = {beat.name for beat in known}
    return tuple(
        Beat(each.name, (), now, heard=False) for each in configs if each.name not in names
    )


def heard(
    beat: Beat | None, name: str, values: tuple[str, ...], now: float
) -> tuple[Beat, Back | None]:
    """The beat after it arrived, and `Back` if it was lost."""
    fresh = Beat(name, values, now)
    if beat is None or beat.lost_at is None:
        return fresh, None
    return fresh, Back(fresh, now - beat.seen_at)


def deadline(config: HeartbeatConfig, beat: Beat, outage: Outage) -> float:
    """When the heartbeat is lost, Unix seconds: `every` and `grace` count from its last beat, or
    from the time when the relay began to listen.
    """
    return max(beat.seen_at, outage.up_since) + config.every + config.grace


def lost(
    config: HeartbeatConfig,
    beat: Beat,
    outage: Outage,
    suppressed: Suppressed | None,
    now: float,
) -> Lost | None:
    """The loss, if the heartbeat is lost by now and that was not told yet."""
    if beat.lost_at is not None or now < deadline(config, beat, outage):
        return None
    told = replace(beat, lost_at=now)
    if suppressed is not None:
        return Lost(told, beat.seen_at, "suppressed", suppressed=suppressed)
    if outage.refused:
        return Lost(told, beat.seen_at, "refused", refused=outage.refused)
    slept = beat.heard and beat.seen_at < outage.up_since
    return Lost(told, beat.seen_at, "slept" if slept else "silence")


def lost_since(
    configs: Sequence[HeartbeatConfig], beats: Iterable[Beat], source: str
) -> tuple[str, float] | None:
    """The lost heartbeat of a source, and since when there is no news from it."""
    names = {each.name for each in configs if each.source == source}
    gone = [beat for beat in beats if beat.name in names and beat.lost_at is not None]
    if not gone:
        return None
    first = min(gone, key=lambda beat: (beat.seen_at, beat.name))
    return first.name, first.seen_at


def may_ping(
    config: HeartbeatConfig, beats: Iterable[Beat], last_at: float, now: float, *, well: bool
) -> bool:
    """Whether to send the outbound ping: all its beats arrive, nothing else is wrong, and `every`
    has passed since the last ping.
    """
    own = [beat for beat in beats if beat.name == config.name]
    alive = bool(own) and all(beat.heard and beat.lost_at is None for beat in own)
    return alive and well and config.ping_url is not None and now - last_at >= config.every
