"""Failures: the consequences of failed calls for a card and its lane (docs/adr/0019)."""

from hashlib import blake2b

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card.lane_state import LaneState

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds between attempts: doubling, with jitter
BLIND_PAUSE, LONGEST_BLIND_PAUSE = 15.0, 60.0  # seconds after an unknown answer: doubling
RESTART_PAUSE = 2.0  # seconds after a call during which the relay itself stopped
FRESH_PAUSE = 3.0  # seconds between calls for cards that never failed, while their lane pauses
HOURLY = 3600.0  # seconds between calls each of which may add a copy of the message
MOST_STOPS = 3  # calls during which the relay stopped that say nothing of the card
MOST_UNKNOWN = 5  # unknown answers after which a card goes to its fallback
_UNASKED = MOST_UNKNOWN - 1  # unknown answers after which no message is sent without asking first
TRIES = 2  # failed calls, or one without an answer, after which a text is what may not pass
PLAIN_AFTER = 2  # failed calls of a card at fault after which it is sent without style
OTHERS_FIRST = 60.0  # seconds for which other cards of the lane go before one that failed
_MOST_REPEATED = 7  # repetitions of several cards with which the pause of each grows: 64 s
_MOST_FAILING = 11  # different cards; by then the pauses have reached the longest


class Failures(Struct, frozen=True, omit_defaults=True):
    """The failed calls for a card since the last one that got through: how many, how many of them
    without an answer, when the last one ended, until when the card pauses (Unix seconds), and `why`
    the last one failed. `at_fault`: it failed again after other cards of its lane got through.
    `stopped`: the relay itself stopped during the last one. `limited`: how often the platform asked
    to wait since another card got through after it had asked; 1 before that.
    """

    tries: int = 0
    unknown: int = 0
    at: float = 0.0
    retry_at: float = 0.0
    at_fault: bool = False
    why: str = ""
    stopped: bool = False
    limited: int = 0


def name_of(group: GroupId, fingerprint: str) -> str:
    """A short name for a card, by which its lane remembers that it failed."""
    return blake2b(msgspec.json.encode((group, fingerprint)), digest_size=6).hexdigest()


def is_at_fault(failures: Failures | None, state: LaneState) -> bool:
    """Whether the card is at fault and not its lane: another card of the lane got through after it
    failed, either at once or before it failed again.
    """
    if failures is None or not failures.tries:
        return False
    says_nothing = failures.stopped and failures.tries <= MOST_STOPS
    got_through = state.passed_at > failures.at >= state.recovered_at
    return failures.at_fault or (got_through and not says_nothing)


def paused_until(failures: Failures | None, state: LaneState) -> float:
    """Until when the card pauses, Unix seconds. The end of the lane's trouble ends the pause,
    except that of a card at fault. After an unknown answer, whose call may have been long, other
    cards go first.
    """
    if failures is None:
        return 0.0
    if failures.at_fault or failures.at >= state.recovered_at:
        return failures.retry_at
    return min(failures.retry_at, failures.at + LONGEST_BLIND_PAUSE) if failures.unknown else 0.0


def yields(failures: Failures | None, name: str, state: LaneState, now: float) -> bool:
    """Whether other cards of the lane go before this one, which failed, for a minute at most. They
    show whether the lane works. If a card fails again after the end of the lane's trouble, others
    that failed before may do so too.
    """
    if failures is None or now >= failures.retry_at + OTHERS_FIRST:
        return False
    may_fail_too = failures.at < state.recovered_at <= state.fault_at
    return name in state.failing or may_fail_too or is_at_fault(failures, state)


def doubts_text(failures: Failures | None) -> bool:
    """Whether a message is tried without a text that may be what does not pass."""
    return failures is not None and (failures.tries >= TRIES or bool(failures.unknown))


def gives_way(failures: Failures | None, state: LaneState, now: float) -> bool:
    """Whether cards that never failed go before this one: a moment after the end of their lane's
    trouble, since it may fail again; once after the platform asked to wait, and for a minute if it
    asks again although others get through.
    """
    if failures is None:
        return False
    if now < state.recovered_at + FRESH_PAUSE:
        return True
    if failures.limited > 1:
        return now < failures.retry_at + OTHERS_FIRST
    return failures.limited == 1 and state.passed_at <= failures.at


def asks_first(failures: Failures | None) -> bool:
    """Whether a call that changes nothing goes before the card's own. While the platform does not
    answer that, the message, which may be in the chat already, is not sent again.
    """
    return failures is not None and failures.unknown >= _UNASKED


def owes_fallback(failures: Failures | None) -> bool:
    """Whether the fallback has to get a copy, since the chat will not show the card for long."""
    if failures is None or failures.tries < MOST_UNKNOWN:
        return False
    return failures.at_fault or failures.unknown >= _UNASKED


def not_taken(
    before: Failures | None, state: LaneState, now: float, jitter: float, why: str
) -> Failures:
    """The failures after a call that the platform did not accept. Pauses grow, and `jitter` (0 to
    1) spreads them. Up to about a minute they grow with each repetition in the lane, so that
    several cards that fail use up little more of the chat's budget than one.
    """
    failures = _again(before, state, now, why)
    number = failures.tries
    if number > 1:
        repeated = state.attempts + 2 - len(state.failing)
        number = max(number, min(repeated, _MOST_REPEATED))
    return replace(failures, retry_at=now + growing(number, jitter))


def unknown(
    before: Failures | None, state: LaneState, now: float, why: str, *, repeatable: bool
) -> Failures:
    """The failures after a call without an answer. A repetition of a `repeatable` call leaves no
    second message.
    """
    failures = _again(before, state, now, why)
    number = failures.unknown + 1
    pause = min(BLIND_PAUSE * 2.0 ** min(number - 1, 16), LONGEST_BLIND_PAUSE)
    if number >= MOST_UNKNOWN:
        pause = LONGEST_PAUSE if repeatable else HOURLY
    return replace(failures, unknown=number, retry_at=now + pause)


def limited(
    before: Failures | None, state: LaneState, now: float, seconds: float, jitter: float
) -> Failures:
    """The failures after the platform asked to wait so many seconds. That is no failure of the
    card; but once others got through and it asked again, the card pauses longer each time.
    """
    failures = before or Failures()
    again = failures.limited > 1 or (failures.limited == 1 and state.passed_at > failures.at)
    number = failures.limited + 1 if again else 1
    pause = growing(number - 1, jitter) if number > 1 else 0.0
    return replace(failures, limited=number, at=now, retry_at=now + seconds + pause)


def cut_short(before: Failures | None, now: float, why: str) -> Failures:
    """The failures after a call during which the relay stopped. It counts against neither card nor
    lane.
    """
    failures = before or Failures()
    return replace(
        failures,
        tries=failures.tries + 1,
        at=now,
        retry_at=now + RESTART_PAUSE,
        why=why,
        stopped=True,
    )


def hastened(failures: Failures, now: float) -> Failures:
    """The failures of a card with news, which is tried again soon."""
    return replace(
        failures, retry_at=min(failures.retry_at, max(now, failures.at + LONGEST_BLIND_PAUSE))
    )


def doubted(state: LaneState, failed: Failures, name: str, now: float, jitter: float) -> LaneState:
    """The lane after a failed call for the card `name`. The lane pauses only if calls for different
    cards fail and none gets through; a card that fails again does not count twice. It pauses no
    longer than its trouble has lasted.
    """
    fault_at = now if failed.at_fault else state.fault_at
    after = replace(state, attempts=state.attempts + 1, fault_at=fault_at)
    if failed.tries > 1:
        return after
    failing = (*state.failing, name)[-_MOST_FAILING:]
    after = replace(after, failing=failing)
    if len(failing) == 1:
        return after
    lasted = max(now - state.trouble_since, FIRST_PAUSE)
    pause = min(growing(len(failing) - 1, jitter), lasted)
    return replace(after, retry_at=now + pause, fresh_at=now + min(pause, FRESH_PAUSE))


def reached(state: LaneState, now: float) -> LaneState:
    """The lane after the platform itself answered a call for one of its cards."""
    ends_trouble = len(state.failing) > 1 or state.down is not None
    return replace(
        state,
        attempts=0,
        retry_at=0.0,
        fresh_at=0.0,
        failing=(),
        passed_at=now,
        recovered_at=now if ends_trouble else state.recovered_at,
    )


def growing(number: int, jitter: float) -> float:
    """The pause in seconds after that many failures: 1 s, doubled up to 5 min, shortened by up to
    half of it by `jitter` (0 to 1).
    """
    return min(FIRST_PAUSE * 2.0 ** min(number - 1, 16), LONGEST_PAUSE) * (0.5 + jitter / 2)


def _again(before: Failures | None, state: LaneState, now: float, why: str) -> Failures:
    failures = before or Failures()
    again = failures.tries > 0 and not failures.stopped and state.passed_at > failures.at
    return replace(
        failures,
        tries=failures.tries + 1,
        at=now,
        at_fault=failures.at_fault or again,
        why=why,
        stopped=False,
    )
