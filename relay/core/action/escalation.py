"""Escalation: a clock for each alert that nobody has taken, and its steps.

The clock starts with the first message that a chat accepted. It stops when the alert is taken, has
ended, or is suppressed or muted at the time of a step. It starts anew with another episode, a
release, an expired take, or the end of a silence or mute while the alert fires. At a higher
severity the alert is another one with a clock of its own.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.episode import same_episode
from relay.core.action.settings import Escalation, EscalationStep, Who

MOST_GROUPS = 10  # groups that one escalation message names
LANE_GAP = 60.0  # seconds between escalation messages of one lane
Stop = Literal["", "taken", "over", "suppressed", "muted", "finished"]
Event = Literal["taken", "over", "suppressed", "muted", "released", "free", "unmuted"]
_STOPS: dict[Event, Stop] = {
    "taken": "taken", "over": "over", "suppressed": "suppressed", "muted": "muted",
}  # fmt: skip
_RESTARTS: dict[Event, Stop] = {"released": "taken", "free": "suppressed", "unmuted": "muted"}


class ActingReply(Struct, frozen=True, omit_defaults=True):
    """The text that an escalation, or a silence that is over, owes a chat since `at` (Unix
    seconds): its key in the catalogue, `age` in seconds or a count, the mentions of the
    configuration, and the `others` (names of groups) for which the text is the same.
    """

    key: Literal["escalated", "last_reminder", "still_yours", "silence_over"]
    at: float
    age: float = 0.0
    count: int = 0
    name: str = ""
    mention: tuple[Who, ...] = ()
    others: tuple[str, ...] = ()


class EscalationClock(Struct, frozen=True):
    """How far an alert has escalated under a receiver. Times are Unix seconds.

    Steps count from `started_at`. `done` is the `after` of the last step that was done (-1.0:
    none), `repeats` how often the last step was repeated, `repeated_at` when. `stopped` says why
    the clock rests. `taken_at`: when it was taken; `asked`: its holder was asked again. `owed` is
    the text that its cards owe.
    """

    receiver: str
    source: str
    alert: str
    starts_at: float
    started_at: float
    done: float = -1.0
    repeats: int = 0
    repeated_at: float = 0.0
    stopped: Stop = ""
    ended_at: float = 0.0
    taken_at: float = 0.0
    asked: bool = False
    owed: ActingReply | None = None


class StepDue(Struct, frozen=True):
    """A step is due since `at`. `repeat`: how often the last step was repeated, this time
    included.
    """

    step: EscalationStep
    at: float
    repeat: int = 0


class LastDue(Struct, frozen=True):
    """Nobody took the alert after the last reminder either: one line says so at the time of the
    next one.
    """

    reminders: int
    at: float


class AskDue(Struct, frozen=True):
    """The holder of the alert is asked again: it has fired for `taken_for` since the take."""

    at: float


EscalationDue = StepDue | LastDue | AskDue


def accepted(
    clock: EscalationClock | None,
    receiver: str,
    source: str,
    alert: str,
    starts_at: float,
    now: float,
    window: float,
) -> EscalationClock:
    """The clock after a chat accepted a message of the alert: a new clock for a new episode; a flap
    within `window` seconds and later messages change nothing.
    """
    fresh = EscalationClock(receiver, source, alert, starts_at, now)
    if clock is None:
        return fresh
    same = same_episode(clock.starts_at, starts_at)
    if same and clock.stopped != "over":
        return clock
    if clock.stopped == "over" and starts_at <= clock.ended_at + window:
        return replace(clock, starts_at=max(clock.starts_at, starts_at), stopped="")
    if not same and clock.stopped != "over" and starts_at <= clock.started_at:
        return clock
    return clock if same else fresh


def happened(clock: EscalationClock, event: Event, now: float) -> EscalationClock:
    """The clock after an event. A clock that ended stays ended until a chat accepts another
    episode.
    """
    if event in _STOPS:
        if clock.stopped == "over":
            return clock
        ended_at = now if event == "over" else clock.ended_at
        taken_at = now if event == "taken" else clock.taken_at
        stop = _STOPS[event]
        return replace(clock, stopped=stop, ended_at=ended_at, taken_at=taken_at, asked=False)
    return _restarted(clock, now) if clock.stopped == _RESTARTS[event] else clock


def due(clock: EscalationClock, plan: Escalation) -> EscalationDue | None:
    """What comes next, at its time, past or not. After a change of the plan the start stays, and
    steps that are no longer in it do not count as done.
    """
    if clock.stopped == "taken":
        if plan.taken_for and not clock.asked:
            return AskDue(clock.taken_at + plan.taken_for)
        return None
    if clock.stopped:
        return None
    for step in plan.steps:
        if step.after > clock.done:
            return StepDue(step, clock.started_at + step.after)
    if not plan.steps or not plan.every or not plan.times:
        return None
    last = max(clock.repeated_at, clock.started_at + clock.done)
    if clock.repeats < plan.times:
        return StepDue(plan.steps[-1], last + plan.every, clock.repeats + 1)
    return LastDue(clock.repeats, last + plan.every)


def done(clock: EscalationClock, what: EscalationDue) -> EscalationClock:
    """The clock when the step that was due is owed to its chat. A step that comes late, after a
    downtime, delays the repeats and not the steps after it.
    """
    match what:
        case StepDue(step, at, repeat):
            if repeat:
                return replace(clock, repeats=repeat, repeated_at=at)
            return replace(clock, done=step.after, repeated_at=at)
        case LastDue():
            return replace(clock, stopped="finished")
        case AskDue(at):
            return replace(_restarted(clock, at), asked=True, taken_at=clock.taken_at)


def due_now(
    clock: EscalationClock, plan: Escalation, now: float
) -> tuple[EscalationClock, tuple[EscalationDue, ...]]:
    """All steps that are due by now, and the clock after them. Of the steps missed during a
    downtime only the latest of each kind is left: one ring says as much as several. At most one
    repeat comes at once.
    """
    found: list[EscalationDue] = []
    while (what := due(clock, plan)) is not None and what.at <= now:
        found.append(what)
        clock = done(clock, what)
        if isinstance(what, StepDue) and what.repeat:
            clock = replace(clock, repeated_at=now)
            break
        if isinstance(what, AskDue):
            break
    return clock, tuple(found)


def _restarted(clock: EscalationClock, now: float) -> EscalationClock:
    return replace(
        clock,
        started_at=now,
        done=-1.0,
        repeats=0,
        repeated_at=0.0,
        stopped="",
        asked=False,
        owed=None,
    )


def said_of(
    clock: EscalationClock, what: EscalationDue, holder: str, now: float
) -> ActingReply | None:
    """The text for the chat; None for a step to another receiver."""
    match what:
        case StepDue(step):
            age = now - clock.started_at
            return (
                ActingReply("escalated", now, age, mention=step.mention) if step.mention else None
            )
        case LastDue(reminders):
            return ActingReply("last_reminder", now, count=reminders)
        case AskDue():
            return ActingReply("still_yours", now, name=holder)


def came_from(
    plans: Mapping[str, Escalation], clocks: Iterable[EscalationClock], receiver: str
) -> tuple[str, float] | None:
    """The receiver whose alerts came to `receiver` because nobody took them, and after how many
    seconds.
    """
    for clock in clocks:
        plan = plans.get(clock.receiver)
        for step in plan.steps if plan else ():
            if step.receiver == receiver and step.after <= clock.done:
                return clock.receiver, step.after
    return None


def owed_of(clocks: Iterable[EscalationClock], told_at: float) -> ActingReply | None:
    """The newest text that a card owes and has not said since `told_at`."""
    rests = ("taken", "over", "suppressed", "muted")
    owed = [
        clock.owed
        for clock in clocks
        if clock.owed is not None and clock.owed.at > told_at and clock.stopped not in rests
    ]
    return max(owed, key=lambda said: said.at, default=None)


def timetable(plan: Escalation) -> tuple[tuple[float, EscalationStep], ...]:
    """When each step of a plan comes, in seconds after the first message, with the repeats."""
    steps = [(step.after, step) for step in plan.steps]
    if steps and plan.every:
        after, last = steps[-1]
        steps += [(after + plan.every * at, last) for at in range(1, plan.times + 1)]
    return tuple(steps)
