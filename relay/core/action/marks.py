"""Marks: who has a card's alerts, which silences hold, and what was asked of Alertmanager."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from relay.core.action.episode import ShownAlert
from relay.core.action.reconcile import Presence, Suppressed
from relay.core.action.settings import ActingConfig
from relay.core.action.silence import Silencing, State
from relay.core.action.take import Holder, Taken, carried, goes_on, in_force
from relay.core.text.message import ButtonsIn

_LATE = 10.0  # seconds after which a missing answer of Alertmanager is mentioned


class TakenMark(Struct, frozen=True, omit_defaults=True):
    """Who has alerts of the card, and since when."""

    holder: Holder
    since: float


class SilencingMark(Struct, frozen=True, omit_defaults=True):
    """A silence, or the end of one, that was asked for and is not in force. `late`: Alertmanager
    has not answered for some time. `mutes` is how many other alerts it would mute.
    """

    state: State
    asked_at: float
    late: bool = False
    why: str = ""
    mutes: int = 0


class ActingMarks(Struct, frozen=True, omit_defaults=True):
    """What a card says about acting: who has its firing alerts and how many are `untaken`; why
    alerts are suppressed, how many fire nevertheless (`loud`) and the fingerprints of those that do
    not (`silent`); what was asked of Alertmanager, and since when nothing was heard from its
    source. `buttons`: the card has buttons; `asks`: one of them asks for a duration. `untaken_by`:
    the receiver at which nobody took its alerts for so many seconds, so that they came here.
    """

    taken: tuple[TakenMark, ...] = ()
    untaken: int = 0
    suppressed: tuple[Suppressed, ...] = ()
    loud: int = 0
    asked: tuple[SilencingMark, ...] = ()
    lost: tuple[str, float] | None = None
    silent: tuple[str, ...] = ()
    buttons: bool = False
    asks: bool = False
    untaken_by: tuple[str, float] | None = None


NO_MARKS = ActingMarks()


class Known(Struct, frozen=True):
    """What is stored about alerts of one source, by their keys: the takes, the suppressions, what
    was asked of Alertmanager (the newest first), and the presences of alerts that left a list.
    """

    takes: Mapping[str, Taken] = {}
    suppressed: Mapping[str, Suppressed] = {}
    asked: tuple[Silencing, ...] = ()
    presences: Mapping[str, Presence] = {}


def in_use(config: ActingConfig, source: str, known: Known) -> Known:
    """The part of what is stored about a source's alerts that the configuration lets cards show."""
    has_peers = source in config.alertmanagers
    return Known(
        known.takes if config.is_on else {},
        known.suppressed if has_peers else {},
        known.asked if has_peers else (),
        known.presences if has_peers else {},
    )


def marks_of(
    alerts: Sequence[ShownAlert],
    known: Known,
    window: float,
    now: float,
    *,
    buttons: ButtonsIn = "none",
    lost: tuple[str, float] | None = None,
    untaken_by: tuple[str, float] | None = None,
) -> ActingMarks:
    """The marks of a card with these alerts; none if no alert fires. `window` is the reopen window
    of its policy, in seconds.
    """
    firing = [alert for alert in alerts if alert.firing]
    if not firing:
        return NO_MARKS
    had = [in_force(known.takes.get(alert.key), alert, window) for alert in firing]
    taken = dict.fromkeys(TakenMark(each.holder, each.since) for each in had if each is not None)
    silent = [alert.key for alert in firing if alert.key in known.suppressed]
    why = dict.fromkeys(known.suppressed[key] for key in silent)
    return ActingMarks(
        taken=tuple(sorted(taken, key=lambda mark: mark.since)),
        untaken=had.count(None) if taken else 0,
        suppressed=tuple(why),
        loud=len(firing) - len(silent) if silent else 0,
        asked=_asked(known.asked, {alert.key for alert in firing}, now),
        lost=lost,
        silent=tuple(sorted(silent)),
        buttons=buttons != "none",
        asks=buttons == "all",
        untaken_by=None if taken else untaken_by,
    )


def to_carry(alerts: Iterable[ShownAlert], known: Known, window: float) -> tuple[Taken, ...]:
    """The takes to carry over to the episodes in which the alerts fire now."""
    found = ((alert, known.takes.get(alert.key)) for alert in alerts if alert.firing)
    return tuple(
        carried(taken, alert)
        for alert, taken in found
        if taken and in_force(taken, alert, window) and goes_on(taken, alert)
    )


def _asked(asked: Iterable[Silencing], keys: set[str], now: float) -> tuple[SilencingMark, ...]:
    """The newest request about the alerts, unless it is done."""
    newest = next((each for each in asked if not keys.isdisjoint(each.alerts)), None)
    if newest is None or newest.state == "done":
        return ()
    late = newest.state == "asked" and bool(newest.tries) and now - newest.asked_at >= _LATE
    return (SilencingMark(newest.state, newest.asked_at, late, newest.why, newest.mutes),)
