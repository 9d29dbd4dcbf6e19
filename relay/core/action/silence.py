"""A silence that was asked for: the next call to Alertmanager, and the meaning of its answer.

A POST is not idempotent. Therefore the action's id is part of the comment, and is looked for on the
peer that was asked before a second try.
"""

from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.matchers import muted_besides
from relay.core.action.take import Holder
from relay.core.alert import Labels
from relay.core.routing.matcher import Matcher

PATIENCE = 600.0  # seconds after which it is not tried any more
SETTLED = 2.0  # seconds after which a peer either has what was posted to it, or never got it
_TAG = "[alert-relay "
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0
_SKEW = 30.0  # seconds between Alertmanager's clock and the relay's that are corrected
State = Literal["asked", "done", "refused", "unknown"]
Phase = Literal["count", "post", "find", "delete", "over"]


class Silencing(Struct, frozen=True):
    """A silence, or the end of one, that a person asked for. Times are Unix seconds.

    `id` is part of the comment, after what the person wrote (`comment`) and before `about`.
    `alerts` are the keys of its alerts, `labels` their labels. `posted_at`: when a POST may have
    reached `peer`. `replaces` is the silence that it extends; `starts_at` is the start of that one.
    `mutes` is how many other alerts it mutes. `state` is for people; `phase` decides the next call,
    `due` its time, None for never again.
    """

    id: str
    source: str
    kind: Literal["silence", "end"]
    person: Holder
    asked_at: float
    alerts: tuple[str, ...]
    labels: tuple[Labels, ...] = ()
    matchers: tuple[Matcher, ...] = ()
    seconds: float = 0.0
    comment: str = ""
    about: str = ""
    wide: bool = False
    replaces: str = ""
    starts_at: float = 0.0
    state: State = "asked"
    phase: Phase = "count"
    due: float | None = 0.0
    peer: str = ""
    posted_at: float | None = None
    tries: int = 0
    until: float = 0.0
    silence_id: str = ""
    why: str = ""
    mutes: int = 0


class NewSilence(Struct, frozen=True):
    """A silence to post. `id` is that of the one to change, or empty."""

    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    id: str = ""


class Count(Struct, frozen=True):
    """Ask for the alerts that the matchers would mute."""

    matchers: tuple[Matcher, ...]


class Find(Struct, frozen=True):
    """Ask for all silences, to look for the action's id."""

    action: str


class Write(Struct, frozen=True):
    """Post the silence. The start of this call has to be stored before it is made."""

    silence: NewSilence


class Expire(Struct, frozen=True):
    """Delete a silence; if it has ended already, that counts as done."""

    silence_id: str


Call = Count | Find | Write | Expire


class Counted(Struct, frozen=True):
    """The alerts that would be muted, and Alertmanager's clock (Unix seconds, 0.0 unknown)."""

    alerts: tuple[Labels, ...]
    clock: float = 0.0


class Written(Struct, frozen=True):
    """Alertmanager took the silence under this id, which may differ from that of the one it
    changed.
    """

    silence_id: str


class FoundSilence(Struct, frozen=True):
    """The peer has a silence of this action."""

    silence_id: str
    ends_at: float


class NotFound(Struct, frozen=True):
    """The peer has no silence of this action."""


class Expired(Struct, frozen=True):
    """The silence has ended, or there is none with that id."""


class ApiRefused(Struct, frozen=True):
    """Alertmanager refused, in its own words (at most 200 characters)."""

    why: str


class ApiUnavailable(Struct, frozen=True):
    """Nothing was done: there was no connection, or the answer asks to try again later."""

    why: str


class ApiUnknown(Struct, frozen=True):
    """No answer, or one that does not tell what was done."""

    why: str


Answer = (
    Counted | Written | FoundSilence | NotFound | Expired | ApiRefused | ApiUnavailable | ApiUnknown
)


def is_of(comment: str, action: str) -> bool:
    """Whether a silence with this comment belongs to the action."""
    return any(f"{_TAG}{action}{end}" in comment for end in ":]")


def commented(silencing: Silencing) -> str:
    """`deploy [alert-relay a1b2c3: HighErrorRate, by Anna (telegram 12)]`: what the person wrote,
    and what the relay adds.
    """
    about = f": {silencing.about}" if silencing.about else ""
    return f"{silencing.comment} {_TAG}{silencing.id}{about}]".strip()


def next_call(silencing: Silencing, now: float) -> Call | None:
    """The call to make now, to `silencing.peer` if it names one; None if none is due."""
    if silencing.due is None or silencing.due > now:
        return None
    match silencing.phase:
        case "count":
            return Count(silencing.matchers)
        case "post":
            return Write(_silence(silencing, now))
        case "find":
            return Find(silencing.id)
        case "delete":
            return Expire(silencing.silence_id)
        case "over":
            return None
        case _:
            assert_never(silencing.phase)


def begun(silencing: Silencing, call: Call, peer: str, now: float) -> Silencing:
    """The state to store before the call goes to `peer`. After a crash a POST is looked for."""
    if not isinstance(call, Write):
        return silencing
    return replace(
        silencing,
        peer=peer,
        posted_at=now,
        phase="find",
        due=now + SETTLED,
        until=call.silence.ends_at,
    )


def answered(silencing: Silencing, call: Call, answer: Answer, now: float) -> Silencing:
    """The state after an answer to `call`. A silencing that was given up stays so."""
    if silencing.phase == "over":
        return silencing
    match answer:
        case Counted():
            return _counted(silencing, answer, now)
        case Written(silence_id):
            return _done(silencing, silence_id, silencing.until)
        case FoundSilence(silence_id, ends_at):
            return _done(silencing, silence_id, ends_at)
        case NotFound():
            # after a POST this says that the silence to extend does not exist
            back = replace(silencing, phase="post", posted_at=None, due=now)
            return replace(back, replaces="", starts_at=0.0) if isinstance(call, Write) else back
        case Expired():
            return _done(silencing, silencing.silence_id, now)
        case ApiRefused(why):
            return _over(silencing, "refused", why)
        case ApiUnavailable(why):
            # nothing was written, so another peer may be asked
            if isinstance(call, Write):
                back = replace(silencing, phase="post", posted_at=None, peer="")
                return _later(back, why, now)
            return _later(silencing, why, now)
        case ApiUnknown(why):
            return _later(silencing, why, now)
        case _:
            assert_never(answer)


def gives_up(silencing: Silencing, now: float) -> Silencing | None:
    """The silencing as given up after `PATIENCE`; None if it is still to be tried."""
    if silencing.phase == "over" or now < silencing.asked_at + PATIENCE:
        return None
    return _over(silencing, "unknown", silencing.why)


def _counted(silencing: Silencing, answer: Counted, now: float) -> Silencing:
    mutes = muted_besides(silencing.matchers, silencing.labels, answer.alerts)
    if mutes and not silencing.wide:
        return _over(replace(silencing, mutes=mutes), "refused", "wide")
    skewed = answer.clock and abs(answer.clock - now) > _SKEW
    clock = answer.clock if skewed else now
    until = silencing.until or clock + silencing.seconds
    return replace(silencing, mutes=mutes, phase="post", due=now, until=until)


def _silence(silencing: Silencing, now: float) -> NewSilence:
    """The silence to post. Its end stays as it was when the alerts were counted, also in a second
    try.
    """
    return NewSilence(
        silencing.matchers,
        silencing.starts_at or now,
        max(silencing.until, now + 1.0),
        silencing.person.name,
        commented(silencing),
        silencing.replaces,
    )


def _later(silencing: Silencing, why: str, now: float) -> Silencing:
    pause = min(_FIRST_PAUSE * 2 ** min(silencing.tries, 10), _LONGEST_PAUSE)
    return replace(silencing, tries=silencing.tries + 1, why=why, due=now + pause)


def _done(silencing: Silencing, silence_id: str, until: float) -> Silencing:
    return replace(
        silencing, state="done", phase="over", due=None, silence_id=silence_id, until=until, why=""
    )


def _over(silencing: Silencing, state: State, why: str) -> Silencing:
    return replace(silencing, state=state, phase="over", due=None, why=why)
