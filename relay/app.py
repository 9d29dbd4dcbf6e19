"""Connects the parts: starts them in order, reloads the configuration, and stops them in the
opposite order.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp.web import BaseRequest, Response
from msgspec import Struct
from msgspec.structs import replace

from relay import __version__
from relay.acting import Acting
from relay.active_config import CurrentConfig
from relay.clock import SharedClock, steady_clock, wall_clock
from relay.config.fault import Fault
from relay.config.fault import render as render_fault
from relay.config.rules import Rules
from relay.console.console import Console
from relay.core.active_config import ActiveConfig, Refusing
from relay.core.alert import Notification
from relay.core.balance import BalanceRow
from relay.core.event import Event, Noted
from relay.core.notice import NOTICES
from relay.core.template.template import TemplateError, warm_up
from relay.delivery.lanes import Lanes
from relay.delivery.pipeline import Pipeline
from relay.delivery.transport import Transport
from relay.inbound.auth import Auth
from relay.inbound.connections import ConnectionLimits, Listener
from relay.inbound.intake import Intake
from relay.inbound.peers import is_loopback
from relay.inbound.server import Handlers, RequestLimits, Server
from relay.inbound.spool_intake import SpoolIntake
from relay.inbound.web_config import open_access
from relay.operate import log, metrics
from relay.operate.admin_socket import AdminSocket
from relay.operate.clock_watch import ClockWatch
from relay.operate.housekeeping import Housekeeping
from relay.operate.notices import Notices
from relay.operate.paced import Paced
from relay.operate.refusals import Refusals
from relay.operate.replica import Replica
from relay.operate.scrape import Scrapes
from relay.operate.storage_watch import StorageWatch
from relay.own_thread import OwnThread
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms
from relay.settings import load as settings
from relay.settings.loaded import LOAD_SECONDS, loaded, of_web_config, too_slow, why_refused
from relay.store.data_dir import CannotStart, DataDir
from relay.store.history import Durability, RelayStatus
from relay.store.leases import Leases, SoleOwner
from relay.store.moving import move_cards
from relay.store.protocol import NewerSchema, Store, StoreError
from relay.store.spool import Spool
from relay.store.sqlite.store import SqliteStore
from relay.store.writer import Writer
from relay.supervised import Loop

if TYPE_CHECKING:  # psycopg may not be installed
    from relay.store.postgres.shared import Shared

_FOLLOW_EVERY = 5.0  # seconds between two checks for changes by other processes
TURN_SECONDS = 10.0  # seconds that a started API call has to end when the relay stops


Load = Callable[[Path], tuple[Rules | None, tuple[Fault, ...]]]
"""Reads a configuration: its rules, or None with its faults."""


class Options(Struct, frozen=True):
    """How the process runs: the flags of `serve`. `storage_url`: the address of a PostgreSQL, or a
    file that has it.
    """

    config_file: Path
    storage_path: Path
    storage_url: str | Path = ""
    lease: float = 15.0
    spool: Path | None = None
    require_remote: bool = False
    host: str = "127.0.0.1"
    port: int = 9087
    web_config_file: Path | None = None
    allow_unauthenticated: bool = False
    prefix: str = ""
    external_host: str = ""
    console: bool = False
    console_host: str = ""
    console_port: int | None = None
    limits: RequestLimits = RequestLimits()


class App:
    """A relay, from its storage to its listening socket. `hooks` get each event, as log, metrics
    and notices do.
    """

    def __init__(
        self,
        options: Options,
        hooks: tuple[Callable[[Event], None], ...] = (),
        platforms: Platforms = PLATFORMS,
        load: Load | None = None,
    ) -> None:
        """Opens the storage and reads the configuration with `load` (the demo leads its chats
        elsewhere). Raises CannotStart, also for a faulty configuration, with all faults in its
        text.
        """
        self.options = options
        self._platforms = platforms
        self._load: Load = load or partial(settings.load, mode="serve", platforms=platforms)
        self._steady = None if options.storage_url else steady_clock()
        self._shared_clock = SharedClock()  # on PostgreSQL that of the database
        self._clock: Callable[[], float] = self._steady or self._shared_clock
        self._started_at = self._loaded_at = self._clock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loading = OwnThread("load")
        self._leads = not options.storage_url
        self._following = Loop(
            "following the other replicas failed", self._follow_others, self._emit
        )
        self._reloading = asyncio.Lock()
        self._why_not_ready = "starting"
        self._metrics = metrics.Metrics()
        self._hooks: tuple[Callable[[Event], None], ...] = (
            log.on_event,
            self._metrics.on_event,
            *hooks,
        )
        self.config = CurrentConfig(self._first_config())
        self._notices = Notices(
            self._post_notice, self._refusing, self._clock, self._emit, self.config
        )
        self._hooks = (*self._hooks, self._notices.on_event)
        self._web_auth = self._auth()
        self._build_storage()
        self._build_delivery()
        self._build_intake()
        self._build_operation()
        self._build_server()

    def _build_storage(self) -> None:
        options = self.options
        self._data_dir = None if options.storage_url else DataDir(options.storage_path)
        self._storage_name = str(self._data_dir.database) if self._data_dir else "PostgreSQL"
        self._shared = self._open_shared() if options.storage_url else None
        self._store: Store = self._shared.store if self._shared else self._open_store()
        self._writer = self._shared.writer if self._shared else Writer(self._store)
        self._leases: Leases = self._shared.leases if self._shared else SoleOwner()

    def _build_delivery(self) -> None:
        self._transport = Transport()
        send = self._transport.send
        if self._shared:  # a call for a lane ends before its lease does
            send = partial(send, within=self._shared.call_seconds)
        self._pipeline = Pipeline(
            self._store,
            self._writer,
            send,
            self._clock,
            random.random,
            self._emit,
            self.config,
            self._platforms,
            self._ask_alertmanager,
            self._leases.is_held,
        )
        self._lanes = Lanes(
            self._pipeline.turn, self._clock, self._emit, self._leases, self._pipeline.leave
        )

    def _build_intake(self) -> None:
        clock, emit, wake = self._clock, self._emit, self._lanes.wake
        heard = self._store.acting.heard
        self._intake = Intake(self._writer, wake, clock, emit, self.config, self._is_there, heard)
        self._spool: Spool | None = None
        self._spool_intake: SpoolIntake | None = None
        if self.options.spool:
            self._spool = Spool(self.options.spool)
            self._spool_intake = SpoolIntake(self._intake, self._spool, self._store, clock, emit)

    def _build_operation(self) -> None:
        store, writer, lanes = self._store, self._writer, self._lanes
        clock, emit, config = self._clock, self._emit, self.config
        durability = self._shared.store.durability if self._shared else Durability
        self._scrapes = Scrapes(
            self._metrics, store, Paced(writer), config, self._replica_status, durability
        )
        self._refusals = Refusals(store, writer, clock, emit)
        self._replica = (
            Replica(self._shared, lanes.wake, self._lead, self._resign, emit)
            if self._shared
            else None
        )
        self._storage_watch: StorageWatch | None = None
        if self._data_dir:
            folder = self._data_dir.folder
            self._storage_watch = StorageWatch(folder, self._is_there, emit)
        self._clock_watch: ClockWatch | None = None
        if self._steady:
            self._clock_watch = ClockWatch(
                self._steady, wall_clock, emit, config, self._look_again, self._move_clock_on
            )
        self._housekeeping = Housekeeping(store, writer, clock, emit, config)
        exchange, post = self._transport.send, self._intake.post
        self._acting = Acting(store, writer, exchange, clock, emit, config, lanes, post)
        self._hooks = (*self._hooks, self._refusals.on_event, self._acting.heartbeats.on_event)
        self._admin_socket = AdminSocket(
            store, writer, lanes, clock, emit, config, self.relay_status
        )

    def _build_server(self) -> None:
        options, auth = self.options, self._web_auth
        handlers = Handlers(
            (self._spool_intake or self._intake).accept,
            self._readiness,
            partial(self.reload, "HTTP"),
            self._render_metrics,
            self._emit,
            auth,
            self._acting.polling.expects,
            self._acting.polling.webhook,
            self._acting.discord.posted,
            *self._console_handlers(auth),
        )
        server = Server(
            handlers,
            options.limits,
            options.prefix,
            options.external_host,
            on_loopback=is_loopback(options.host),
        )
        self._handle = server.handle
        self._listener: Listener | None = None  # made later, since it needs the loop
        self._tls = auth.tls if auth else None

    def _console_handlers(
        self, auth: Auth | None
    ) -> (
        tuple[Callable[[BaseRequest, str], Awaitable[Response]], Callable[[str], bool]] | tuple[()]
    ):
        """The handlers of the console, on the listener of webhooks or on one of its own."""
        self._console: Console | None = None
        self._console_listener: Listener | None = None  # made later, since it needs the loop
        options = self.options
        if not options.console:
            return ()
        self._console = Console(
            self._store,
            self._writer,
            self.config,
            self.relay_status,
            self._clock,
            self._platforms,
            auth,
            options.prefix,
            options.external_host,
            on_loopback=is_loopback(options.console_host),
        )
        if options.console_port is None:
            return self._console.answer, self._console.serves
        return ()

    def _readiness(self) -> str:
        return self._why_not_ready or (self._spool_intake or self._intake).why_not

    async def start(self) -> str:
        """Continues what an earlier run left, then listens. Returns `HOST:PORT`. Raises
        CannotStart.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self._take_up()
            if self._data_dir:
                await self._admin_socket.open(self._data_dir.socket)
            self._listener = Listener(self._handle, ConnectionLimits())
            address = await self._listener.open(self.options.host, self.options.port, self._tls)
            await self._open_console()
        except StoreError as error:
            await self.stop()
            raise CannotStart(f"{self._storage_name}: {error}") from error
        except (OSError, RuntimeError) as error:
            await self.stop()
            places = f"{self.options.host}:{self.options.port}"
            if self._data_dir:
                places += f" and {self._data_dir.socket}"
            remedy = "name another address with --web.listen-address"
            raise CannotStart(f"cannot listen on {places}: {_why(error)}; {remedy}") from error
        self._why_not_ready = ""
        return address

    async def _open_console(self) -> None:
        if self._console is None or self.options.console_port is None:
            return
        self._console_listener = Listener(self._console.handle, ConnectionLimits())
        host, port = self.options.console_host, self.options.console_port or 0
        address = await self._console_listener.open(host, port, self._tls)
        self._emit(Noted("info", "console listening", (("address", address),)))

    async def _take_up(self) -> None:
        """Continues what an earlier run left, and starts everything that works by itself."""
        await self._rewind()
        self.config.subscribe(await self._writer.run(self._store.people.subscriptions))
        await self._adopt(self.config.current)
        self._prime(self.config.current)
        await self._move_cards()
        await self._writer.run(partial(self._store.recheck, self._clock()))
        wakes = await self._writer.run(self._store.wakes)
        self._lanes.wake(lane for lane, _ in wakes)
        self._notices.start(await self._writer.run(partial(self._store.firing, NOTICES)))
        self._acting.start()
        self._refusals.start()
        if self._storage_watch:
            self._storage_watch.start()
        if self._clock_watch:
            self._clock_watch.start()
        if self._replica:
            self._replica.start()
            self._following.start()
            if self._spool_intake:
                self._spool_intake.start()
        else:
            await self._lead()

    async def _lead(self) -> None:
        """Begins the work that one process does for all that share the storage."""
        self._leads = True
        await self._acting.lead(self._shared.leases.reached_for if self._shared else 0.0)
        self._housekeeping.start()
        if self._shared:
            self._emit(Noted("info", "this replica polls, escalates and tidies up for all"))

    async def _resign(self) -> None:
        """Ends that work: another process does it."""
        self._leads = False
        await self._acting.resign()
        await self._housekeeping.stop()

    async def _follow_others(self) -> None:
        """Takes over changes of the subscriptions that other processes made."""
        while True:
            await asyncio.sleep(_FOLLOW_EVERY)
            self.config.subscribe(await self._writer.run(self._store.people.subscriptions))

    async def _adopt(self, config: ActiveConfig) -> None:
        """Puts a configuration in force, under its number in the storage."""
        generation, now = self.config.current.generation, self._clock()
        with suppress(StoreError):  # deliveries routed by it are then traced to the one before
            configured = partial(self._store.configured, config.sha256, now)
            generation = await self._writer.run(configured)
        self._loaded_at = now
        self.config.load(replace(config, generation=generation))

    async def _move_cards(self) -> None:
        """Moves the cards of webhooks whose channels bots have taken over, so that the bots post
        them.
        """
        job = partial(move_cards, self._store, self.config.current, self._clock())
        self._lanes.wake(await self._writer.run(job))

    def _ask_alertmanager(self, source: str) -> None:
        self._acting.ask(source)

    async def _rewind(self) -> None:
        ahead = await self._writer.run(partial(self._store.move_times_back, self._clock()))
        if ahead:
            self._emit(
                Noted(
                    "warning",
                    "the clock was ahead, its times are moved back",
                    (("seconds", f"{ahead:.0f}"),),
                )
            )

    async def _move_clock_on(self, seconds: float) -> None:
        """Moves the steady clock on, and with it all stored times."""
        async with self._lanes.still():
            await self._pipeline.settle_all()
            await self._writer.move_times_on(seconds, self._clock)
            if self._steady:
                self._steady.jump(seconds)

    def warm_up(self) -> None:
        """Prepares what the first message, and the first page, would have to wait for. Takes about
        50 ms of a processor for each, in any thread.
        """
        config = self.config.current
        for target in config.routing.all_targets:
            with suppress(TemplateError):  # the built-in plain text is sent in its place
                form = self._platforms[target.lane.platform].FORM
                warm_up(config.templates, target.policy, form)
        if self._console is not None:
            self._console.warm_up()

    async def stop(self) -> None:
        """Stops: not ready at once; requests that have begun are answered, API calls that have
        begun end, and everything is written.
        """
        self._why_not_ready = "stopping"
        listeners = (self._listener, self._console_listener)
        closing = [listener.close() for listener in listeners if listener]
        await asyncio.gather(*closing, self._lanes.stop(TURN_SECONDS))
        if self._spool_intake:
            await self._spool_intake.stop()
        await self._intake.stop()
        with suppress(StoreError):  # a call that was not stored is in doubt for the next run
            await self._pipeline.settle_all()
        await self._acting.stop()
        await self._admin_socket.close()
        await self._housekeeping.stop()
        await self._refusals.stop()
        if self._storage_watch:
            await self._storage_watch.stop()
        if self._clock_watch:
            await self._clock_watch.stop()
        await self._notices.stop()
        if self._replica:
            await self._following.stop()
            await self._replica.stop()
        await self._transport.close()
        self._loading.close()
        await asyncio.to_thread(self._writer.close)
        if self._data_dir:
            self._data_dir.release()

    async def reload(self, why: str = "asked") -> tuple[str, ...]:
        """Reloads the configuration and the web configuration for the reason `why`, after reloads
        that were asked for earlier. A faulty file changes nothing, and the faults of both are
        returned as text.
        """
        async with self._reloading:
            return await self._reload(why)

    async def _reload(self, why: str) -> tuple[str, ...]:
        path = self.options.config_file
        try:
            rules, faults = await self._loading.run(partial(self._load, path), LOAD_SECONDS)
        except TimeoutError:
            rules, faults = None, (too_slow(path),)
        refused = await self._web_auth.reload() if self._web_auth else ""
        if refused:
            rules, faults = None, (*faults, *map(of_web_config, refused.splitlines()))
        if rules:
            self._prime(rules.active)
            await self._adopt(rules.active)
        # Whoever is told so, by the metrics for one, may count on it: the new file routes.
        self._emit_all(loaded(rules, faults, why, self._clock()))
        if rules is None:
            return tuple(render_fault(fault) for fault in faults)
        await self._acting.follow_bots()
        with suppress(StoreError):
            await self._move_cards()
        self._lanes.wake_all()
        with suppress(StoreError):
            await self._acting.follow()
        await self._look_again()
        return ()

    async def _look_again(self) -> None:
        """Wakes all lanes, also those that wait for long, because of hours or of the credentials
        for their calls.
        """
        self._lanes.wake_all()
        with suppress(StoreError):
            await self._writer.run(partial(self._store.recheck, self._clock()))
            self._lanes.wake(lane for lane, _ in await self._writer.run(self._store.wakes))

    def _prime(self, config: ActiveConfig) -> None:
        """Prepares the log, which hides the configuration's secrets, and the metrics, which have
        each of its chats from the start.
        """
        log.hide(
            secret for target in config.routing.all_targets for secret in target.endpoint.secrets
        )
        chats = {
            (target.lane.platform, target.policy.receiver) for target in config.routing.all_targets
        }
        targets = config.routing.targets
        discarding = [receiver for receiver in targets if not targets[receiver]]
        self._metrics.prime(chats, config.templates.by_name, discarding)

    async def _post_notice(self, told: Notification) -> None:
        await self._intake.post(told, self.config.current.notices_receiver)

    def _emit(self, event: Event) -> None:
        for on_event in self._hooks:
            on_event(event)

    def _emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._emit(event)

    def _emit_threadsafe(self, event: Event) -> None:
        """Emits an event of the store, which comes from the writer's thread or from before there is
        one.
        """
        if self._loop is None:
            self._emit(event)
        else:
            self._loop.call_soon_threadsafe(self._emit, event)

    def _is_there(self) -> bool:
        """Whether the storage's files are in their folder. PostgreSQL has none of ours."""
        if self._data_dir is None or not isinstance(self._store, SqliteStore):
            return True
        return self._data_dir.is_there(self._store.file_in_use)

    def relay_status(self) -> RelayStatus:
        """The status of this process."""
        return RelayStatus(
            version=__version__,
            started_at=self._started_at,
            config_file=str(self.options.config_file.absolute()),
            sha256=self.config.current.sha256,
            loaded_at=self._loaded_at,
        )

    async def balance(self) -> tuple[BalanceRow, ...]:
        """The present balance of the accepted deliveries."""
        return await self._writer.run(self._store.balance)

    def _replica_status(self) -> metrics.ReplicaStatus | None:
        if self._shared is None:
            return None
        leases, spooled = self._shared.leases, self._spool.count if self._spool else None
        return metrics.ReplicaStatus(leases.count, leases.lost, leases.is_reached, spooled=spooled)

    async def _render_metrics(self) -> bytes:
        return await self._scrapes.render(leads=self._leads)

    async def _refusing(self) -> tuple[Refusing, ...]:
        """The receivers with a chat that is down, or that has not got its deliveries for ten
        minutes.
        """
        down = await self._writer.run(self._store.down)
        stuck = await self._writer.run(partial(self._store.stuck, self._clock()))
        return self.config.current.refusing((*down, *stuck))

    def _first_config(self) -> ActiveConfig:
        path = self.options.config_file
        rules, faults = self._load(path)
        if rules is None:
            raise CannotStart(why_refused(path, faults))
        self._emit_all(loaded(rules, faults, "start", self._clock()))
        return rules.active

    def _auth(self) -> Auth | None:
        path = self.options.web_config_file
        try:
            auth = Auth(path, self._emit) if path else None
        except ValueError as error:
            raise CannotStart(str(error)) from error
        web = auth.web if auth else None
        refusal = open_access(self.options.host, web)
        if not refusal and self.options.console_port is not None:
            refusal = open_access(self.options.console_host, web)
        if refusal and not self.options.allow_unauthenticated:
            raise CannotStart(refusal)
        return auth

    def _open_store(self) -> SqliteStore:
        try:
            return SqliteStore(self._storage_name, emit=self._emit_threadsafe)
        except (NewerSchema, StoreError) as error:
            if self._data_dir:
                self._data_dir.release()
            raise CannotStart(f"{self._storage_name}: {error}") from error

    def _open_shared(self) -> "Shared":
        try:
            shared = import_module("relay.store.postgres.shared")
        except ImportError as error:
            raise CannotStart(
                f"PostgreSQL needs psycopg ({error}): pip install 'alert-relay[postgres]'"
            ) from error
        try:
            opened: Shared = shared.Shared(
                self.options.storage_url,
                self._emit_threadsafe,
                self._shared_clock.tell,
                self.options.lease,
                require_remote=self.options.require_remote,
            )
        except (NewerSchema, StoreError, ValueError, OSError) as error:
            raise CannotStart(f"PostgreSQL: {error}") from error
        return opened


def _why(error: OSError | RuntimeError) -> str:
    """The system's own words, without the sentence that asyncio adds."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error)
