"""Budgets: how much a platform takes, kept by us before it has to say no. Pure: rows and the time are arguments."""

from msgspec import Struct


class Limit(Struct, frozen=True):
    """At most `count` calls within any `window` seconds, over everything that shares the budget `key`."""

    key: str
    count: int
    window: float


class Budget(Struct, frozen=True):
    """The state of one budget: when calls were made (Unix seconds, oldest first) and until when all are forbidden."""

    key: str
    used: tuple[float, ...] = ()
    blocked_until: float = 0.0


def free_at(budget: Budget, limit: Limit, now: float) -> float:
    """The first moment, `now` or later, at which a call fits: after any block, with less than `count` in the window."""
    used = [at for at in budget.used if at > now - limit.window]
    if len(used) < limit.count:
        return max(now, budget.blocked_until)
    return max(now, budget.blocked_until, used[-limit.count] + limit.window)


def room(budget: Budget, limit: Limit, now: float) -> int:
    """How many calls still fit into the window that ends now."""
    return limit.count - sum(at > now - limit.window for at in budget.used)


def take(budget: Budget, limit: Limit, now: float) -> Budget:
    """The budget after a call at `now`; what has left the window is forgotten."""
    used = tuple(at for at in budget.used if at > now - limit.window)
    return Budget(budget.key, (*used, now), budget.blocked_until)


def block(budget: Budget, until: float) -> Budget:
    """The budget with no call before `until`; a block is never shortened."""
    return Budget(budget.key, budget.used, max(budget.blocked_until, until))


def merge(budget: Budget, into: Budget) -> Budget:
    """The budget `into` with the calls and the block of one that turned out to be the same."""
    used = tuple(sorted((*budget.used, *into.used)))
    return Budget(into.key, used, max(budget.blocked_until, into.blocked_until))


class Rate(Struct, frozen=True):
    """At most `count` calls within any `window` seconds."""

    count: int
    window: float


class Limits(Struct, frozen=True):
    """The configured rates, a little under what the platforms state.

    https://core.telegram.org/bots/faq (bot, chat, group); https://discord.com/developers/docs/topics/rate-limits
    (address), with the figures reported for webhooks and channels (discord/discord-api-docs issue 367).
    """

    telegram_bot: Rate = Rate(27, 1.0)
    telegram_chat: Rate = Rate(1, 1.1)
    telegram_group: Rate = Rate(18, 60.0)
    discord_webhook: Rate = Rate(5, 2.2)
    discord_channel: Rate = Rate(27, 60.0)
    discord_address: Rate = Rate(45, 1.0)
