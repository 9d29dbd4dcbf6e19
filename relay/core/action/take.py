"""Taking: who has an alert episode in hand. The relay keeps this itself, and shows the same on
every card.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.episode import SAME_START, ShownAlert, same_episode

AGAIN = 60.0  # seconds within which a second press takes over


class Holder(Struct, frozen=True):
    """The holder: `name` as cards show it, `person` as `PLATFORM ID` or the name of a person of the
    configuration, so that both platforms mean the same one. `anonymous` holders are not named.
    """

    name: str
    person: str
    anonymous: bool = False


class Taken(Struct, frozen=True):
    """An alert episode that somebody has. Times are Unix seconds. `ended_at`: when the alert ended;
    it may fire again within the reopen window. `asked_at`: when the holder was asked again.
    """

    source: str
    alert: str
    starts_at: float
    holder: Holder
    since: float
    ended_at: float | None = None
    asked_at: float | None = None


class Took(Struct, frozen=True):
    """The press took these alerts; `over` are the names of the former holders of some of them."""

    taken: tuple[Taken, ...]
    over: tuple[str, ...] = ()


class Already(Struct, frozen=True):
    """The person has all of them."""

    since: float


class HeldBy(Struct, frozen=True):
    """Somebody else has some of them; a second press takes them over."""

    holder: Holder
    since: float


class Released(Struct, frozen=True):
    """The press released these alerts (keys)."""

    alerts: tuple[str, ...]


class NotTaken(Struct, frozen=True):
    """There was nothing to release."""


def in_force(taken: Taken | None, alert: ShownAlert, window: float) -> Taken | None:
    """The take, if it belongs to the present episode of the alert: to the same start, or to a flap
    that began at most `window` seconds after the end. Otherwise None.
    """
    if taken is None or same_episode(taken.starts_at, alert.starts_at):
        return taken
    if alert.starts_at < taken.starts_at:
        return taken  # a replica with an older start
    ended = taken.ended_at if taken.ended_at is not None else max(taken.since, taken.starts_at)
    return taken if alert.starts_at <= ended + window else None


def carried(taken: Taken, alert: ShownAlert) -> Taken:
    """The take, moved to the episode that continues its own, without an end."""
    return replace(taken, starts_at=max(taken.starts_at, alert.starts_at), ended_at=None)


def goes_on(taken: Taken, alert: ShownAlert) -> bool:
    """Whether the alert of a take in force fires again or in a later episode, so that the take has
    to be carried over.
    """
    return alert.starts_at > (taken.ended_at or taken.starts_at + SAME_START)


def ended(taken: Taken, at: float) -> Taken:
    """The take after the alert ended: it rests, and is forgotten after the window."""
    return taken if taken.ended_at is not None else replace(taken, ended_at=at)


def take(
    source: str,
    alerts: Sequence[ShownAlert],
    takes: Mapping[str, Taken],
    holder: Holder,
    now: float,
    *,
    sure: bool,
) -> Took | Already | HeldBy:
    """The effects of a press on Take. `takes` are those in force by alert key; `sure`: the person
    was told who has them and pressed again.
    """
    had = [takes[alert.key] for alert in alerts if alert.key in takes]
    others = [each for each in had if each.holder.person != holder.person]
    if others and not sure:
        oldest = min(others, key=lambda each: each.since)
        return HeldBy(oldest.holder, oldest.since)
    own = {each.alert for each in had if each.holder.person == holder.person}
    wanted = [alert for alert in alerts if alert.key not in own]
    if not wanted:
        return Already(min(each.since for each in had))
    taken = tuple(Taken(source, each.key, each.starts_at, holder, now) for each in wanted)
    return Took(taken, tuple(dict.fromkeys(each.holder.name for each in others)))


def release(
    alerts: Sequence[ShownAlert], takes: Mapping[str, Taken], holder: Holder
) -> Released | HeldBy | NotTaken:
    """The effects of a press on Release: a person can release only takes of their own."""
    had = [takes[alert.key] for alert in alerts if alert.key in takes]
    own = tuple(each.alert for each in had if each.holder.person == holder.person)
    if own:
        return Released(own)
    if not had:
        return NotTaken()
    oldest = min(had, key=lambda each: each.since)
    return HeldBy(oldest.holder, oldest.since)
