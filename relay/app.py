"""Puts the parts together: starts them in order, reloads what is in force, stops them in the
opposite order.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from relay.bot.handler import Hearing, Heed
from relay.bot.polling import Updates
from relay.bot.replies import Replies, Voice
from relay.clock import steady_clock
from relay.config.fault import Fault
from relay.config.fault import render as render_fault
from relay.config.resolve import Rules
from relay.core.active_config import Refusing
from relay.core.alert import Notification
from relay.core.balance import BalanceRow
from relay.core.bot.people import Subscription, subscribers
from relay.core.event import ChatMoved, Event, Loaded, Noted
from relay.core.notice import NOTICES
from relay.core.routing.lane import LaneKey
from relay.delivery.lanes import Lanes
from relay.delivery.pipeline import Pipeline
from relay.delivery.transport import Transport
from relay.inbound.auth import Door
from relay.inbound.connections import Listener, Room
from relay.inbound.intake import Intake
from relay.inbound.server import Doors, Limits, Server
from relay.inbound.web_config import open_door
from relay.operate import log, metrics
from relay.operate.admin_socket import Control
from relay.operate.housekeeping import Upkeep
from relay.operate.notices import Notices
from relay.settings import load as settings
from relay.store.data_dir import CannotStart, Folder
from relay.store.protocol import NewerSchema, StoreError
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer

TURN_SECONDS = 10.0  # for which an API call under way may go on when the relay stops


class Options(Struct, frozen=True):
    """How the process runs: the flags of `serve`."""

    config_file: Path
    storage_path: Path
    host: str = "127.0.0.1"
    port: int = 9087
    web_config_file: Path | None = None
    allow_unauthenticated: bool = False
    prefix: str = ""
    limits: Limits = Limits()


class App:
    """A relay, from its storage to its listening socket. `tell` listeners beside log and metrics
    are for a watcher.
    """

    def __init__(
        self, options: Options, listeners: tuple[Callable[[Event], None], ...] = ()
    ) -> None:
        """Opens the storage and reads the configuration. Raises CannotStart; a faulty configuration
        is one, with all its faults in the text."""
        self.options = options
        self._clock = steady_clock()
        self._metrics = metrics.Metrics()
        self._notices = Notices(self._post_notice, self._refusing, self._clock)
        self._listeners = (log.listen, self._metrics.listen, self._notices.listen, *listeners)
        self._why_not_ready = "starting"
        self._loop: asyncio.AbstractEventLoop | None = None
        self.rules = self._first_rules()
        in_force = self.rules.in_force
        door = self._door()
        self._folder = Folder(options.storage_path)
        self._store = self._open_store()
        self._writer = Writer(self._store)
        self._transport = Transport()
        run, tell = self._writer.run, self._tell
        self._pipeline = Pipeline(
            self._store, run, self._transport.send, self._clock, random.random, tell, in_force
        )
        self._lanes = Lanes(self._pipeline.turn, self._clock, tell)
        self._intake = Intake(
            self._store, self._writer, self._lanes.wake, self._clock, tell, in_force.routing
        )
        self._upkeep = Upkeep(self._store, run, self._clock, tell)
        people, send = self._store.people, self._transport.send
        self._replies = Replies(people, run, send, self._clock, tell)
        heed = Heed(self._lanes.wake, self._renew, self._tell_moved, self._replies.ring)
        self._hearing = Hearing(people, run, self._clock, tell, heed, self.rules.personal)
        self._updates = Updates(people, run, send, self._clock, tell, self._hearing.take)
        self._subscriptions: tuple[Subscription, ...] = ()
        self._listeners = (*self._listeners, self._hearing.listen)
        self._control = Control(
            self._store, run, self._lanes.own, self._lanes.wake, self._clock, tell, self._renew
        )
        ready, reload = lambda: self._why_not_ready, partial(self.reload, "HTTP")
        expects, update = self._updates.expects, self._updates.webhook
        doors = Doors(
            self._intake.accept, ready, reload, self._render_metrics, tell, door, expects, update
        )
        self._listener = Listener(Server(doors, options.limits, options.prefix).handle, Room())
        self._tls = door.tls if door else None

    async def start(self) -> str:
        """Takes up what an earlier run left, then listens. Returns `HOST:PORT`. Raises
        CannotStart.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self._take_up()
            await self._control.open(self._folder.socket)
            address = await self._listener.open(self.options.host, self.options.port, self._tls)
        except StoreError as error:
            await self.stop()
            raise CannotStart(f"{self._folder.database}: {error}") from error
        except (OSError, RuntimeError) as error:
            await self.stop()
            places = f"{self.options.host}:{self.options.port} and {self._folder.socket}"
            raise CannotStart(f"cannot listen on {places}: {error}") from error
        self._why_not_ready = ""
        return address

    async def _take_up(self) -> None:
        """What an earlier run left is in hand, and everything that works by itself is at work."""
        await self._rewind()
        self._subscriptions = await self._writer.run(self._store.people.subscriptions)
        self._take_over(self.rules)
        await self._pipeline.recover()
        await self._writer.run(partial(self._store.look_again, self._clock()))
        wakes = await self._writer.run(self._store.wakes)
        self._lanes.wake(lane for lane, _ in wakes)
        self._notices.start(await self._writer.run(partial(self._store.firing, NOTICES)))
        self._replies.start()
        await self._updates.follow(self.rules.bots)
        self._upkeep.start(lambda: (self._pipeline.in_force, self.rules.retention))

    async def _rewind(self) -> None:
        ahead = await self._writer.run(partial(self._store.rewind, self._clock()))
        if ahead:
            self._tell(
                Noted(
                    "warning",
                    "the clock was ahead, its times are moved back",
                    (("seconds", f"{ahead:.0f}"),),
                )
            )

    async def stop(self) -> None:
        """Not ready at once; requests under way are answered, API calls under way end, everything
        is written down.
        """
        self._why_not_ready = "stopping"
        await asyncio.gather(self._listener.close(), self._lanes.stop(TURN_SECONDS))
        await self._updates.stop()
        await self._hearing.stop()
        await self._replies.stop()
        await self._control.close()
        await self._upkeep.stop()
        await self._notices.stop()
        await self._transport.close()
        await asyncio.to_thread(self._writer.close)
        self._folder.release()

    async def reload(self, why: str = "asked") -> tuple[str, ...]:
        """Reads the configuration again, for the reason `why`. A faulty one changes nothing: its
        faults come back, as text."""
        rules, faults = await asyncio.to_thread(settings.load, self.options.config_file, "serve")
        self._tell_loaded(rules, faults, why)
        if rules is None:
            return tuple(render_fault(fault) for fault in faults)
        self._take_over(rules)
        await self._updates.follow(rules.bots)
        self._lanes.wake_all()
        with suppress(
            StoreError
        ):  # those that rest for long, because of hours or of what they had to be called with
            await self._writer.run(partial(self._store.look_again, self._clock()))
            self._lanes.wake(lane for lane, _ in await self._writer.run(self._store.wakes))
        return ()

    def _tell_loaded(self, rules: Rules | None, faults: tuple[Fault, ...], why: str) -> None:
        now, wrong = self._clock(), _wrong(faults)
        if rules is None:
            self._tell(Loaded(ok=False, at=now, faults=len(wrong), why=why))
        else:
            chats = len({target.lane for target in rules.routing.all_targets})
            self._tell(
                Loaded(
                    ok=True,
                    at=now,
                    faults=0,
                    why=why,
                    receivers=len(rules.routing.targets),
                    chats=chats,
                )
            )
        for fault in faults:
            self._tell(_noted(fault))

    def _take_over(self, rules: Rules) -> None:
        self.rules = rules
        log.hide(
            secret for target in rules.routing.all_targets for secret in target.endpoint.secrets
        )
        self._renew(self._subscriptions)
        self._hearing.policy = rules.personal
        self._replies.voice = Voice(rules.bots, rules.personal, rules.limits)
        chats = {
            (target.lane.platform, target.policy.receiver) for target in rules.routing.all_targets
        }
        self._metrics.prime(chats, rules.in_force.templates.by_name)
        readers = rules.routing.targets.get(rules.notices_receiver, ())
        self._notices.language = readers[0].policy.language if readers else "en"

    def _renew(self, subscriptions: tuple[Subscription, ...]) -> None:
        """Puts in force what the rules and the subscriptions together say; both are replaced
        whole.
        """
        self._subscriptions, rules = subscriptions, self.rules
        personal = subscribers(subscriptions, rules.bots, rules.personal)
        routing = replace(rules.routing, subscriptions=personal)
        self._pipeline.take_over(replace(rules.in_force, routing=routing))
        self._intake.routing = routing

    def _tell_moved(self, lanes: Iterable[LaneKey], chat: str) -> None:
        for lane in lanes:
            for target in self._pipeline.in_force.targets(lane):
                self._tell(ChatMoved(lane.platform, target.policy.receiver, target.place, chat))

    async def _post_notice(self, told: Notification) -> None:
        await self._intake.post(told, self.rules.notices_receiver)

    def _tell(self, event: Event) -> None:
        for listen in self._listeners:
            listen(event)

    def _tell_from_anywhere(self, event: Event) -> None:
        """The store's events come from the writer's thread, and before there is one."""
        if self._loop is None:
            self._tell(event)
        else:
            self._loop.call_soon_threadsafe(self._tell, event)

    async def balance(self) -> tuple[BalanceRow, ...]:
        """Where the accepted deliveries are now."""
        return await self._writer.run(self._store.balance)

    async def _render_metrics(self) -> bytes:
        return self._metrics.render(await self.balance(), await self._refusing())

    async def _refusing(self) -> tuple[Refusing, ...]:
        """The receivers with a chat that is down, of the configuration in force."""
        return self._pipeline.in_force.refusing(await self._writer.run(self._store.down))

    def _first_rules(self) -> Rules:
        path = self.options.config_file
        rules, faults = settings.load(path, "serve")
        if rules is None:
            wrong = _wrong(faults)
            first = render_fault(wrong[0]).partition("\n")[0]
            raise CannotStart(f"{first} ({len(wrong)} in all: alert-relay check-config {path})")
        self._tell_loaded(rules, faults, "start")
        return rules

    def _door(self) -> Door | None:
        path = self.options.web_config_file
        try:
            door = Door(path, self._tell) if path else None
        except ValueError as error:
            raise CannotStart(str(error)) from error
        refusal = open_door(self.options.host, door.web if door else None)
        if refusal and not self.options.allow_unauthenticated:
            raise CannotStart(refusal)
        return door

    def _open_store(self) -> SqliteStore:
        try:
            return SqliteStore(self._folder.database, tell=self._tell_from_anywhere)
        except (NewerSchema, StoreError) as error:
            self._folder.release()
            raise CannotStart(f"{self._folder.database}: {error}") from error


def _wrong(faults: tuple[Fault, ...]) -> list[Fault]:
    return [fault for fault in faults if fault.severity == "fault"]


def _noted(fault: Fault) -> Noted:
    place = ("place", f"{fault.file}:{fault.line}:{fault.column}")
    return Noted("warning" if fault.severity == "warning" else "error", fault.message, (place,))
