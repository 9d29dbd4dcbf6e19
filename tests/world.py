"""A whole relay on a fake clock: the real pipeline and store, chats of the sandbox called
in-process, no sleeping.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig
from relay.core.alert import Notification
from relay.core.balance import BalanceRow
from relay.core.budget import Limits
from relay.core.event import Event, Noted
from relay.core.routing.interval import TimeInterval
from relay.core.routing.lane import LaneKey, Policy, Target
from relay.core.routing.route import Route, Routing, deliveries
from relay.core.template import template
from relay.core.webhook.payload import parse
from relay.delivery.pipeline import Next, Pipeline
from relay.platforms import PLATFORMS
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox.discord import Discord
from relay.sandbox.faults import Faults
from relay.sandbox.reply import Reply
from relay.sandbox.telegram import Telegram
from relay.store.protocol import Lease, NewPayload, Store
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Transactions
from tests.build import POLICY, T0, target
from tests.sandbox import telegram_parser

T = TypeVar("T")
API = "http://127.0.0.1:1"
TOKEN, CHAT, SPARE_CHAT = "111:sandbox", -1001, -1002
HOOK, HOOK_TOKEN, CHANNEL = 222, "hooktoken", 333
GROUP_CHAT = LaneKey("telegram", API, "111", str(CHAT))
SPARE = LaneKey("telegram", API, "111", str(SPARE_CHAT))
CHANNEL_HOOK = LaneKey("discord", API, str(HOOK), "")
_TIMEOUT = 15.0  # seconds for which an answer is waited for
_LONGEST = 20_000  # turns in one run: more is a lane that never rests


def templates() -> template.Templates:
    """The built-in templates."""
    folder = Path(__file__).parent.parent / "templates"
    compiled, faults = template.compile(
        {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.j2"))}
    )
    assert faults == ()
    return compiled


TEMPLATES = templates()
_make: list[Callable[[], Store]] = [lambda: SqliteStore(":memory:")]


@contextmanager
def stores(make: Callable[[], Store]) -> Iterator[None]:
    """Meanwhile new worlds have such stores."""
    _make.append(make)
    yield
    _make.pop()


def telegram_target(lane: LaneKey = GROUP_CHAT, policy: Policy = POLICY) -> Target:
    return target(lane, policy, TOKEN)


def discord_target(policy: Policy = POLICY, guild: str = "-") -> Target:
    """`guild`: the server is known, or known to be none; empty: the relay asks for it."""
    discord = msgspec.structs.replace(policy, template="discord.md.j2", markup="discord")
    told = target(CHANNEL_HOOK, discord, f"{API}/api/webhooks/{HOOK}/{HOOK_TOKEN}")
    return msgspec.structs.replace(
        told, endpoint=msgspec.structs.replace(told.endpoint, guild=guild)
    )


class AtOnce:
    """Transactions without a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, job: Callable[[], T]) -> T:
        return self._batch(job, durable=True)

    async def run_unsynced(self, job: Callable[[], T]) -> T:
        return self._batch(job, durable=False)

    def _batch(self, job: Callable[[], T], *, durable: bool) -> T:
        (result,) = self._store.batch([job], durable=durable)
        if isinstance(result, Exception):
            raise result
        return cast("T", result)


class World:
    """Chats, a relay and a clock. `post` is what Alertmanager does; `run` lets time pass."""

    def __init__(
        self,
        *targets: Target,
        routing: Routing | None = None,
        limits: Limits | None = None,
        store: Store | None = None,
        intervals: tuple[TimeInterval, ...] = (),
    ) -> None:
        chosen = targets or (telegram_target(),)
        receivers: dict[str, tuple[Target, ...]] = {}
        for each in chosen:
            receivers[each.policy.receiver] = (*receivers.get(each.policy.receiver, ()), each)
        self.routing = routing or Routing(Route(chosen[0].policy.receiver), receivers)
        self.faults = Faults()
        self.telegram = Telegram(faults=self.faults, parser=telegram_parser)
        self.telegram.add_bot(TOKEN, "relay_bot")
        self.telegram.add_chat(CHAT, "supergroup", "On call")
        self.telegram.add_chat(SPARE_CHAT, "supergroup", "Spare")
        self.discord = Discord(faults=self.faults)
        self.discord.add_channel(CHANNEL, "alerts")
        self.discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
        self.now = T0
        self.events: list[Event] = []
        self.wakes: dict[LaneKey, float] = {}
        self.leases: dict[LaneKey, Lease] = {}
        self.dying = False
        self.store = store or _make[-1]()
        weakref.finalize(self, self.store.close)
        self.config = CurrentConfig(
            ActiveConfig(
                self.routing,
                TEMPLATES,
                limits or Limits(),
                {interval.name: interval for interval in intervals},
            )
        )
        self.transactions: Transactions = AtOnce(self.store)
        self.pipeline = self._begun()

    def _begun(self) -> Pipeline:
        """What a process has that just began."""
        return Pipeline(
            self.store,
            self.transactions,
            self.send,
            lambda: self.now,
            lambda: 0.5,
            self.events.append,
            self.config,
            PLATFORMS,
        )

    async def commit(self, job: Callable[[], T]) -> T:
        """One transaction, at once."""
        return await self.transactions.run(job)

    async def send(self, request: Request) -> Response | NoAnswer:
        """The sandbox's answer, without a network. `dying`: the process is killed here instead."""
        if self.dying:
            raise KeyboardInterrupt
        url = urlsplit(request.url.reveal())
        platform = self.telegram if url.path.startswith("/bot") else self.discord
        headers = {"content-type": request.content_type}
        reply: Reply = platform.handle(
            request.verb, url.path, dict(parse_qsl(url.query)), headers, request.body, self.now
        )
        self.now += min(reply.delay, _TIMEOUT)
        if reply.delay > _TIMEOUT:
            return NoAnswer(sent=True, why="timed out")
        if reply.ending != "answer":
            self.now += _TIMEOUT if reply.ending in ("hang", "endless") else 0.0
            return NoAnswer(sent=True, why="cut")
        return Response(
            reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.body
        )

    async def post(self, told: Notification, *, is_kept: bool = False) -> None:
        """Alertmanager posts a notification; when this returns it was answered with 200. `is_kept`:
        it need not be read again from the store.
        """
        routed = deliveries(self.routing, told)
        last = told.part == told.parts - 1
        new_payload = NewPayload(
            told.group,
            msgspec.json.encode(told),
            self.now,
            routed.deliveries,
            last,
            discarded=routed.discarded,
            notification=told if is_kept else None,
        )
        kept = await self.commit(partial(self.store.accept, [new_payload]))
        for lane in kept.lanes:
            self.wakes[lane] = self.now

    async def post_body(self, source: str, body: bytes) -> None:
        """Alertmanager posts a body as it is; its lanes have their work then."""
        for notification in parse(body, source):
            await self.post(notification)

    async def turn(self, lane: LaneKey) -> Next:
        """A turn of the lane, which is this process's from its first one on."""
        if lane not in self.leases:
            lease = await self.commit(partial(self.store.take, lane))
            assert lease is not None
            self.leases[lane] = lease
        return await self.pipeline.turn(self.leases[lane])

    async def run(self, until: float) -> None:
        """Lets time pass to `until` seconds after the beginning, giving lanes their turns when they
        are due.
        """
        for _ in range(_LONGEST):
            lane = min(self.wakes, key=lambda key: self.wakes[key], default=None)
            if lane is None or self.wakes[lane] > T0 + until:
                break
            self.now = max(self.now, self.wakes[lane])
            due = await self.turn(lane)
            for woken in due.wake:
                self.wakes[woken] = self.now
            if due.until is None:
                del self.wakes[lane]
            else:
                self.wakes[lane] = due.until
        else:
            raise AssertionError("a lane never rests")
        self.now = max(self.now, T0 + until)
        assert not [
            event for event in self.events if isinstance(event, Noted) and event.level == "error"
        ]

    async def reload(self, routing: Routing) -> None:
        """These routes and chats are in force from now on; every lane looks again."""
        self.routing = routing
        self.config.load(msgspec.structs.replace(self.config.current, routing=routing))
        await self.look_again()

    async def look_again(self) -> None:
        """What the relay does after a change of the configuration or the clock."""
        await self.commit(partial(self.store.recheck, self.now))
        for lane, _ in await self.commit(self.store.wakes):
            self.wakes[lane] = self.now

    async def restart(self) -> None:
        """What a new process does first: see what the clock is, and ask for the wakes."""
        self.wakes, self.leases, self.dying = {}, {}, False
        self.pipeline = self._begun()
        await self.commit(partial(self.store.move_times_back, self.now))
        for lane, at in await self.commit(self.store.wakes):
            self.wakes[lane] = max(at, self.now)

    def telegram_calls(self, since: float = 0.0) -> Sequence[str]:
        """The Telegram methods called since then, in order."""
        return [call.method for call in self.telegram.calls if call.at >= T0 + since]

    def balance(self) -> tuple[BalanceRow, ...]:
        """The balance; nothing may ever be lost."""
        rows = self.store.balance()
        assert all(row.lost == 0 for row in rows), rows
        return rows
