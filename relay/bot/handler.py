"""Handling updates: each becomes one transaction, with how far the bot was polled and what people
asked for.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.bot.replies import Replies
from relay.core.bot.conversation import respond
from relay.core.bot.people import BotReply, Subscription, UpdateEffects, described
from relay.core.bot.update import BotId, Update, is_new
from relay.core.budget import Budget, Limit, free_at, take
from relay.core.event import ChatMoved, Event, Heard, Noted
from relay.core.routing.lane import LaneKey, Policy
from relay.delivery.lanes import Lanes
from relay.store.people import PeopleStore
from relay.store.protocol import StoreError
from relay.store.writer import Transactions

PERSON, CHAT = (
    (6, 60.0),
    (12, 60.0),
)  # the answers that one person and one chat get, and within how many seconds
_MOST_KNOWN = 1000  # people and chats whose answers are counted before old counts are forgotten


class _UpdateResult(Struct, frozen=True):
    """The result of an update. `subscriptions` are the present ones, None if unchanged."""

    effects: UpdateEffects
    lanes: tuple[LaneKey, ...] = ()
    subscriptions: tuple[Subscription, ...] | None = None


class BotHandler:
    """Handles updates, each once: its effects are one transaction; then come the lanes, the
    subscriptions and the answers concerned.
    """

    def __init__(
        self,
        store: PeopleStore,
        transactions: Transactions,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        lanes: Lanes,
        replies: Replies,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._clock = clock
        self._emit = emit
        self._config = config
        self._lanes = lanes
        self._replies = replies
        self._rate_limiter = _RateLimiter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, bot: BotId, update: Update) -> None:
        """Carries out the update, unless that was done before. Raises StoreError: then nothing was
        done.

        An update that has begun is finished even if the caller is cancelled.
        """
        task = asyncio.create_task(self._handle(bot, update))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _handle(self, bot: BotId, update: Update) -> None:
        """Handles an update. One that fails because of a bug is skipped, so that those behind it
        are handled.
        """
        now = self._clock()
        try:
            taken = await self._transactions.run(
                partial(
                    _apply_update,
                    self._store,
                    bot,
                    update,
                    self._config.current.personal,
                    now,
                    self._rate_limiter,
                )
            )
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - see the docstring
            self._emit(
                Noted("error", "update failed", (("update", str(update.id)), ("err", repr(error))))
            )
            taken = await self._transactions.run(partial(_pass_over, self._store, bot, update, now))
        self._emit(Heard(taken.effects.heard))
        self._carry_out(taken)

    def _carry_out(self, taken: _UpdateResult) -> None:
        effects = taken.effects
        for subscription in (effects.added,) if effects.added else ():
            self._emit(Noted("info", "subscription started", described(subscription)))
        for ended in effects.ended:
            self._emit(Noted("info", "subscription ended", (("id", ended),)))
        if taken.subscriptions is not None:
            self._config.subscribe(taken.subscriptions)
        if effects.moved:
            self._emit_moved(taken.lanes, effects.moved[1])
        self._lanes.wake(taken.lanes)
        if effects.bot_replies:
            self._replies.ring()

    def _emit_moved(self, lanes: Iterable[LaneKey], chat: str) -> None:
        for lane in lanes:
            for target in self._config.current.targets(lane):
                self._emit(ChatMoved(lane.platform, target.policy.receiver, target.place, chat))

    async def stop(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _apply_update(
    store: PeopleStore,
    bot: BotId,
    update: Update,
    policy: Policy,
    now: float,
    rate_limiter: "_RateLimiter",
) -> _UpdateResult:
    if not is_new(update, store.poll_state(bot), now):
        return _UpdateResult(UpdateEffects("repeated" if update.id else "ignored"))
    effects = respond(update, store.known(bot, update), policy, now)
    effects = replace(
        effects,
        bot_replies=tuple(
            each for each in effects.bot_replies if rate_limiter.admit(bot, each, now)
        ),
    )
    lanes = store.take_update(bot, update.id, effects, now)
    return _UpdateResult(
        effects, lanes, store.subscriptions() if effects.concerns_routing else None
    )


def _pass_over(store: PeopleStore, bot: BotId, update: Update, now: float) -> _UpdateResult:
    effects = UpdateEffects("failed")
    return _UpdateResult(effects, store.take_update(bot, update.id, effects, now))


class _RateLimiter:
    """How many answers a person and a chat got lately. It is not stored, since it only serves
    against floods.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    def admit(self, bot: BotId, bot_reply: BotReply, now: float) -> bool:
        """Counts one more answer, if both may have it."""
        place = f"{bot.api} {bot.account}"
        limits = (
            Limit(f"{place} person {bot_reply.user}", *PERSON),
            Limit(f"{place} chat {bot_reply.chat}", *CHAT),
        )
        known = [(limit, self._budgets.get(limit.key, Budget(limit.key))) for limit in limits]
        if any(free_at(budget, limit, now) > now for limit, budget in known):
            return False
        if len(self._budgets) > _MOST_KNOWN:
            self._budgets = {
                key: each for key, each in self._budgets.items() if each.used[-1] > now - CHAT[1]
            }
        self._budgets |= {limit.key: take(budget, limit, now) for limit, budget in known}
        return True
