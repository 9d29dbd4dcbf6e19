"""Budgets: how much a platform takes, kept by us before it has to say no. Pure: rows and the time
are arguments.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace


class Limit(Struct, frozen=True):
    """At most `count` calls within any `window` seconds, over everything that shares the budget
    `key`.
    """

    key: str
    count: int
    window: float


class Block(Struct, frozen=True):
    """No call on the budgets `keys` for `seconds` from `at` (Unix seconds). `whole` is the budget
    that they are a part of, where the platform never says that it limits all of it but refuses one
    part after the other."""

    keys: tuple[str, ...]
    at: float
    seconds: float
    whole: str = ""

    @property
    def until(self) -> float:
        """The end of it, Unix seconds."""
        return self.at + self.seconds


class Pace(Struct, frozen=True):
    """How a lane gets its calls, Unix seconds: when its last one began, and since when, without a
    longer break, and until when budgets made it wait."""

    called_at: float = 0.0
    limited_since: float = 0.0
    limited_until: float = 0.0


class Budget(Struct, frozen=True):
    """The state of one budget: when calls were made (Unix seconds, oldest first) and until when all
    are forbidden. `refused` is the block of a part of it, of those that run the one that ends
    last."""

    key: str
    used: tuple[float, ...] = ()
    blocked_until: float = 0.0
    refused: Block | None = None


def free_at(budget: Budget, limit: Limit, now: float) -> float:
    """The first moment, `now` or later, at which a call fits: after any block, with less than
    `count` in the window.
    """
    used = [at for at in budget.used if at > now - limit.window]
    if len(used) < limit.count:
        return max(now, budget.blocked_until)
    return max(now, budget.blocked_until, used[-limit.count] + limit.window)


def room(budget: Budget, limit: Limit, now: float) -> int:
    """How many calls still fit into the window that ends now."""
    return limit.count - sum(at > now - limit.window for at in budget.used)


def room_within(budget: Budget, limit: Limit, now: float, seconds: float) -> float:
    """How many calls fit into the next `seconds`."""
    left = seconds - max(0.0, budget.blocked_until - now)
    if left <= 0:
        return 0.0
    if left > limit.window:
        return limit.count * left / limit.window
    used = sum(at > now + seconds - limit.window for at in budget.used)
    return float(max(0, limit.count - used))


def take(budget: Budget, limit: Limit, now: float) -> Budget:
    """The budget after a call at `now`; what has left the window is forgotten."""
    used = tuple(at for at in budget.used if at > now - limit.window)
    return replace(budget, used=(*used, now))


def block(budget: Budget, until: float) -> Budget:
    """The budget with no call before `until`; a block is never shortened."""
    return replace(budget, blocked_until=max(budget.blocked_until, until))


def refuse(whole: Budget, part: Block) -> Budget:
    """The budget after a part of it was refused: where another part rests already, all of it does.

    Until the later end, for who comes too early is told a longer wait; but no longer than that can
    make it: what is left of the first wait and that once more. A wait that is longer still is the
    part's own.
    """
    before = whole.refused
    if before is None or before.until <= part.at or before.keys[0] == part.keys[0]:
        return replace(whole, refused=part)
    last = max(before, part, key=lambda each: each.until)
    longest = 2 * min(before.seconds, part.seconds) + 1  # platforms round up to whole seconds
    return block(replace(whole, refused=last), min(last.until, part.at + longest))


def merge(budget: Budget, into: Budget) -> Budget:
    """The budget `into` with the calls and the block of one that turned out to be the same."""
    used = tuple(sorted((*budget.used, *into.used)))
    return block(replace(into, used=used), budget.blocked_until)


class Rate(Struct, frozen=True):
    """At most `count` calls within any `window` seconds."""

    count: int
    window: float


class Limits(Struct, frozen=True):
    """The configured rates by platform and by name. Where one is not configured, the platform's own
    default holds."""

    rates: Mapping[str, Mapping[str, Rate]] = {}

    def of(self, platform: str) -> Mapping[str, Rate]:
        """The configured rates of a platform, by name."""
        return self.rates.get(platform, {})
