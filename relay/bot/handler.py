"""Handles an update of a bot in one transaction with what follows from it and its number."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bot.conversation import respond
from relay.core.bot.people import BotReply, Subscription, UpdateEffects, has_left
from relay.core.bot.update import BotId, Update, is_new
from relay.core.budget import Budget, Limit, free_at, take
from relay.core.event import ChatChanged, Event, Heard, Noted
from relay.core.routing.lane import LaneKey, Policy
from relay.core.routing.route import SUBSCRIPTION
from relay.delivery.calls import Run
from relay.store.people import PeopleStore
from relay.store.protocol import StoreError

PERSON, CHAT = (
    (6, 60.0),
    (12, 60.0),
)  # answers, and within how many seconds, that one person and one chat get
_MOST_KNOWN = 1000  # people and chats whose answers are counted before the old counts are forgotten


class UpdateActions(Struct, frozen=True):
    """What the rest of the relay does after an update: `wake` lanes that have work, `renew` the
    subscriptions, note lanes whose group `moved` to a new id, and send pending answers."""

    wake: Callable[[Iterable[LaneKey]], None]
    renew: Callable[[tuple[Subscription, ...]], None]
    moved: Callable[[Iterable[LaneKey], str], None]
    answer: Callable[[], None]


class _UpdateResult(Struct, frozen=True):
    """The result of an update. `subscriptions` are the present ones, None without a change."""

    effects: UpdateEffects
    lanes: tuple[LaneKey, ...] = ()
    subscriptions: tuple[Subscription, ...] | None = None


class BotHandler:
    """Takes updates, each once. `policy` is that of personal chats, replaced on a reload."""

    def __init__(
        self,
        store: PeopleStore,
        run: Run,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        actions: UpdateActions,
        policy: Policy,
    ) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._emit = emit
        self._actions = actions
        self._rate_limiter = _RateLimiter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.policy = policy

    async def take(self, bot: BotId, update: Update) -> None:
        """Does what follows from the update, unless it was done before. Raises StoreError: then
        nothing was done.

        What has begun ends, even when the caller is cancelled.
        """
        task = asyncio.create_task(self._handle(bot, update))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _handle(self, bot: BotId, update: Update) -> None:
        """An update that a bug of ours makes fail is passed over, so that those behind it are
        heard.
        """
        now = self._clock()
        try:
            result = await self._run(
                partial(
                    _apply_update, self._store, bot, update, self.policy, now, self._rate_limiter
                )
            )
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            self._emit(
                Noted("error", "update failed", (("update", str(update.id)), ("err", repr(error))))
            )
            result = await self._run(partial(_pass_over, self._store, bot, update, now))
        self._emit(Heard(result.effects.heard))
        self._act(result)

    def _act(self, result: _UpdateResult) -> None:
        effects = result.effects
        for subscription in (effects.added,) if effects.added else ():
            self._emit(Noted("info", "subscription started", _described(subscription)))
        for ended in effects.ended:
            self._emit(Noted("info", "subscription ended", (("id", ended),)))
        if result.subscriptions is not None:
            self._actions.renew(result.subscriptions)
        if effects.moved:
            self._actions.moved(result.lanes, effects.moved[1])
        self._actions.wake(result.lanes)
        if effects.bot_replies:
            self._actions.answer()

    def on_event(self, event: Event) -> None:
        """A chat of a subscriber that went down may have left for good: that ends its
        subscriptions.
        """
        if isinstance(event, ChatChanged) and event.receiver == SUBSCRIPTION and not event.up:
            task = asyncio.create_task(self._end_subscriptions())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _end_subscriptions(self) -> None:
        try:
            ended, left = await self._run(partial(_end_subscriptions, self._store))
        except StoreError as error:
            self._emit(Noted("error", "storage failed", (("err", str(error)),)))
            return
        for subscription in ended:
            self._emit(Noted("info", "subscription ended", _described(subscription)))
        if ended:
            self._actions.renew(left)

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


def _end_subscriptions(
    store: PeopleStore,
) -> tuple[tuple[Subscription, ...], tuple[Subscription, ...]]:
    """The subscriptions that ended, and those that are left."""
    gone = [subscription.id for subscription, why in store.fallen() if has_left(why)]
    return store.end_subscriptions(gone), store.subscriptions()


def _described(subscription: Subscription) -> tuple[tuple[str, str], ...]:
    return (("id", subscription.id), ("name", subscription.name), ("invite", subscription.invite))


class _RateLimiter:
    """How many answers a person and a chat got lately. A new start forgets it: it is only against
    floods.
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
