"""Budgets: the relay counts its own calls, so that the platform does not have to refuse any. Pure:
rows and the time are arguments.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

ASKED = 20.0  # seconds to wait for the one call that shows whether the whole budget is limited
# Of a limit of more than `MANY` calls, a budget keeps about so many times of the window: calls
# within a twentieth of it share one, which costs at most a twentieth of the rate.
MANY, GRAINS = 60, 20


class Limit(Struct, frozen=True):
    """At most `count` calls within any `window` seconds over everything that shares the budget
    `key`.
    """

    key: str
    count: int
    window: float


class Block(Struct, frozen=True):
    """No call on the budgets `keys` for `seconds` from `at` (Unix seconds). `whole` is the budget
    that contains them, for a platform that limits all of it and yet refuses its parts one by one.
    """

    keys: tuple[str, ...]
    at: float
    seconds: float
    whole: str = ""

    @property
    def until(self) -> float:
        """The end of the block, Unix seconds."""
        return self.at + self.seconds


class Budget(Struct, frozen=True):
    """The state of one budget: the times of its calls (Unix seconds, ascending), and the time until
    which all calls are forbidden. `counts`: how many calls each of the times stands for, which is
    that of the last of them; one each if empty. `refused` and `refused_too` are the blocks of two
    parts of it that end last; `asked_at` is the start of the call that shows whether the whole
    budget is limited.
    """

    key: str
    used: tuple[float, ...] = ()
    blocked_until: float = 0.0
    refused: Block | None = None
    refused_too: Block | None = None
    asked_at: float = 0.0
    counts: tuple[int, ...] = ()

    @property
    def calls(self) -> tuple[tuple[float, int], ...]:
        """The times, and how many calls each stands for."""
        return tuple(zip(self.used, self.counts or (1,) * len(self.used), strict=True))

    def having(self, calls: Iterable[tuple[float, int]]) -> "Budget":
        """The budget with these calls."""
        calls = sorted(calls)
        counts = tuple(number for _, number in calls)
        used = tuple(at for at, _ in calls)
        return replace(self, used=used, counts=counts if set(counts) - {1} else ())


def free_at(budget: Budget, limit: Limit, now: float) -> float:
    """The first moment, `now` or later, at which a call fits: after any block, with less than
    `count` in the window.
    """
    if _used_since(budget, now - limit.window) < limit.count:
        return max(now, budget.blocked_until)
    return max(now, budget.blocked_until, _nth_last(budget, limit.count) + limit.window)


def _used_since(budget: Budget, since: float) -> int:
    first = bisect_right(budget.used, since)
    return sum(budget.counts[first:]) if budget.counts else len(budget.used) - first


def _nth_last(budget: Budget, number: int) -> float:
    """The time of that call, counted from the last one, which is 1."""
    if not budget.counts:
        return budget.used[-number]
    upto = zip(accumulate(reversed(budget.counts)), reversed(budget.used), strict=True)
    return next(at for total, at in upto if total >= number)


def room(budget: Budget, limit: Limit, now: float) -> int:
    """How many more calls fit into the window that ends now."""
    return limit.count - _used_since(budget, now - limit.window)


def room_within(budget: Budget, limit: Limit, now: float, seconds: float) -> float:
    """How many calls fit into the next `seconds`."""
    left = seconds - max(0.0, budget.blocked_until - now)
    if left <= 0:
        return 0.0
    if left > limit.window:
        return limit.count * left / limit.window
    return float(max(0, limit.count - _used_since(budget, now + seconds - limit.window)))


def take(budget: Budget, limit: Limit, now: float) -> Budget:
    """The budget after a call at `now`. Calls before the window are dropped. Those within a small
    part of the window count from the last of them, if the limit is a high one.
    """
    first = bisect_right(budget.used, now - limit.window)
    used, counts = budget.used[first:], budget.counts[first:]
    shared = 0
    if used and limit.count > MANY and _grain(used[-1], limit) == _grain(now, limit):
        counts = counts or (1,) * len(used)
        used, counts, shared = used[:-1], counts[:-1], counts[-1]
    if shared or counts:
        counts = (*counts, shared + 1)
    asked_at = now if len(_resting(budget, now)) > 1 else 0.0
    return replace(budget, used=(*used, now), counts=counts, asked_at=asked_at)


def _grain(at: float, limit: Limit) -> int:
    return int(at * GRAINS / limit.window)


def is_asked(budget: Budget, now: float) -> bool:
    """Whether two parts of the budget were refused and a call for a third part is under way. That
    call shows whether the whole budget is limited.
    """
    under_way = budget.asked_at > 0.0 and now < budget.asked_at + ASKED
    return under_way and len(_resting(budget, now)) > 1


def answered(budget: Budget, *, passed: bool) -> Budget:
    """The budget after the end of a call that was not refused. A call that `passed` shows that the
    parts are limited separately.
    """
    if passed:
        return replace(budget, refused=None, refused_too=None, asked_at=0.0)
    return replace(budget, asked_at=0.0)


def _resting(budget: Budget, now: float) -> tuple[Block, ...]:
    return tuple(each for each in (budget.refused, budget.refused_too) if each and each.until > now)


def block(budget: Budget, until: float) -> Budget:
    """The budget with no call before `until`. A block is never shortened."""
    return replace(budget, blocked_until=max(budget.blocked_until, until))


def refuse(whole: Budget, part: Block) -> Budget:
    """The budget after one of its parts was refused. If two other parts are blocked already, the
    whole budget is blocked until the latest of the three ends, but no longer than four times the
    shortest wait: each early call at most doubles the wait (docs/adr/0012). A longer wait applies
    to that part alone.
    """
    others = [each for each in _resting(whole, part.at) if each.keys[0] != part.keys[0]]
    parts = sorted((*others, part), key=lambda each: -each.until)
    kept = replace(
        whole, refused=parts[0], refused_too=parts[1] if len(parts) > 1 else None, asked_at=0.0
    )
    if len(parts) < 3:
        return kept
    longest = 4 * min(each.seconds for each in parts) + 1  # platforms round up to whole seconds
    return block(kept, min(parts[0].until, part.at + longest))


def merge(budget: Budget, into: Budget) -> Budget:
    """The budget `into` with the calls and the block of a budget that turned out to be the same
    one.
    """
    return block(into.having((*budget.calls, *into.calls)), budget.blocked_until)


class Rate(Struct, frozen=True):
    """At most `count` calls within any `window` seconds."""

    count: int
    window: float


class Limits(Struct, frozen=True):
    """The configured rates by platform and name. Where none is configured, the platform's default
    applies.
    """

    rates: Mapping[str, Mapping[str, Rate]] = {}

    def of(self, platform: str) -> Mapping[str, Rate]:
        """The configured rates of a platform, by name."""
        return self.rates.get(platform, {})
