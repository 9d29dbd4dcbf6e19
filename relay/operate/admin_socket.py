"""The admin socket of a running relay, in its storage directory: the request is one line of JSON,
and so is the answer.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.active_config import CurrentConfig
from relay.core.event import EndReason, Event, Noted, Settled
from relay.core.history import LastHeard, Trace
from relay.delivery.lanes import Lanes
from relay.operate.paced import Paced
from relay.store.history import (
    AskLastHeard,
    AskStatus,
    BackedUp,
    Backup,
    Cards,
    CloseCard,
    ClosedCard,
    HistoryPage,
    HistoryQuery,
    ListCards,
    ListPayloads,
    RelayStatus,
    ShowTrace,
    Status,
    StoredPayloads,
)
from relay.store.people_admin import RemoveSubscription, RosterAnswer, RosterRequest, perform_roster
from relay.store.protocol import Store, StoreError
from relay.store.queue import Dropped, Page, Query, Refused, Retried, Whole
from relay.store.recover import Salvaged, pieces, salvage, take_in
from relay.store.sqlite.damaged_file import NothingToSalvage
from relay.store.writer import Transactions

LONGEST_REQUEST = 64 << 10  # bytes
_PIECES = 50  # cards of a damaged storage read in one transaction
_READ_SECONDS, _WRITE_SECONDS = 5.0, 10.0


class Show(Struct, frozen=True, tag="show"):
    """Asks for one delivery."""

    id: str


class Retry(Struct, frozen=True, tag="retry"):
    """Asks to try a dead delivery again, or a pending one at once."""

    id: str


class Drop(Struct, frozen=True, tag="drop"):
    """Asks to give up a pending delivery."""

    id: str


class Salvage(Struct, frozen=True, tag="salvage"):
    """Asks to read open deliveries and cards from a damaged storage; `file` is its absolute
    path.
    """

    file: str


class Failed(Struct, frozen=True, tag="failed"):
    """The request could not be carried out; one line says what to do."""

    why: str


HistoryRequest = HistoryQuery | ShowTrace | AskLastHeard | AskStatus | ListCards | ListPayloads
LookedUp = HistoryPage | Trace | LastHeard | Status | Cards | StoredPayloads
HistoryAnswer = LookedUp | ClosedCard | BackedUp
AdminRequest = (
    Query | Show | Retry | Drop | Salvage | HistoryRequest | CloseCard | Backup | RosterRequest
)
AdminAnswer = Page | Whole | Retried | Dropped | Salvaged | HistoryAnswer | RosterAnswer | Failed
_request: Callable[[bytes], AdminRequest] = msgspec.json.Decoder(AdminRequest).decode


def perform(store: Store, request: AdminRequest, now: float) -> AdminAnswer:
    """Carries out a request within `Store.batch`. Nobody may work on the delivery's lane
    meanwhile.
    """
    match request:
        case Query():
            return store.queue(request)
        case Show(id):
            return store.queued(id)
        case Retry(id):
            return store.retry(id, now)
        case Drop(id):
            return store.drop(id, now)
        case Salvage(file):
            return _salvaged(store, Path(file))
        case CloseCard(number):
            return store.close_card(number, now)
        case Backup():
            return Refused("a backup is made outside of a transaction")
        case (
            HistoryQuery()
            | ShowTrace()
            | AskLastHeard()
            | AskStatus()
            | ListCards()
            | ListPayloads()
        ):
            return look_up(store, request)
        case _:
            return perform_roster(store.people, request)


def look_up(store: Store, request: HistoryRequest) -> LookedUp | Refused:
    """Answers a request that changes nothing, within `Store.batch`."""
    match request:
        case HistoryQuery():
            return store.history(request)
        case ShowTrace(id):
            return store.traced(id)
        case AskLastHeard(alertname, source):
            return store.last_heard(alertname, source)
        case AskStatus():
            return Status(None, store.standing_now())
        case ListCards(after, limit):
            cards = store.open_cards(after, limit)
            return Cards(cards, cards[-1].number if len(cards) >= limit else 0)
        case ListPayloads(since, after):
            return StoredPayloads(store.stored_payloads(since, after))


def back_up(store: Store, request: Backup) -> BackedUp | Refused | Failed:
    """Writes a copy of the storage, outside a transaction."""
    file = Path(request.file)
    try:
        store.backup(file)
        return BackedUp(str(file), file.stat().st_size)
    except FileExistsError:
        return Refused(f"{file} exists: name another file")
    except OSError as error:
        return Failed(f"cannot write {file}: {error.strerror}")
    except StoreError as error:
        return Failed(f"cannot write {file}: {error}")


def _salvaged(store: Store, file: Path) -> Salvaged | Refused:
    try:
        return salvage(file, store)
    except NothingToSalvage as error:
        return _nothing(error)


def _nothing(error: NothingToSalvage) -> Refused:
    return Refused(f"nothing can be read from {error}")


class AdminSocket:
    """Serves operators. Only the user that the relay runs as can open the socket (mode 0600)."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        lanes: Lanes,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        config: CurrentConfig,
        relay_status: Callable[[], RelayStatus] | None = None,
    ) -> None:
        """A lane is changed between two turns of `lanes`, and then gets another turn.
        `relay_status` returns the state of the process.
        """
        self._relay_status = relay_status
        self._store = store
        self._transactions = transactions
        self._reads = Paced(transactions)
        self._lanes = lanes
        self._clock = clock
        self._emit = emit
        self._config = config
        self._path: Path | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, path: Path) -> None:
        """Listens at `path`, in a folder that this process has locked. Raises OSError."""
        self._server = await asyncio.start_unix_server(
            self._on_connection, sock=_bound(path), limit=LONGEST_REQUEST
        )
        self._path = path

    async def close(self) -> None:
        """Closes every connection and removes the socket."""
        if self._server is None or self._path is None:
            return
        self._server.close()
        self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve_connection(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(
            lambda _: writer.close()
        )  # even if it was cancelled before it began

    async def _serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(TimeoutError, ValueError, ConnectionError):  # too slow, too long, gone
            async with asyncio.timeout(_READ_SECONDS):
                line = await reader.readline()
            writer.write(msgspec.json.encode(await self._answered(line)) + b"\n")
            async with asyncio.timeout(_WRITE_SECONDS):
                await writer.drain()

    async def _answered(self, line: bytes) -> AdminAnswer:
        try:
            return await self._answer(_request(line))
        except msgspec.DecodeError:
            return Failed(
                "the relay does not know this request: use the alert-relay command of its own "
                "version"
            )
        except StoreError as error:
            return Failed(f"the storage failed: {error}")

    async def _answer(self, request: AdminRequest) -> AdminAnswer:
        if isinstance(request, Query | Show):
            return await self._reads.run(partial(perform, self._store, request, self._clock()))
        if isinstance(request, HistoryRequest):
            told = await self._transactions.run_unsynced(partial(look_up, self._store, request))
            if isinstance(told, Status) and self._relay_status:
                return replace(told, relay=self._relay_status())
            return told
        if isinstance(request, Backup):
            return await asyncio.to_thread(back_up, self._store, request)
        if isinstance(request, CloseCard):
            return await self._close_card(request)
        if isinstance(request, Salvage):
            return await self._salvage(Path(request.file))
        if isinstance(request, RosterRequest):
            return await self._roster(request)
        found = await self._transactions.run(partial(self._store.queued, request.id))
        if isinstance(found, Refused):
            return found
        async with self._lanes.own(found.delivery.lane):
            answer = await self._transactions.run(
                partial(perform, self._store, request, self._clock())
            )
        if isinstance(answer, Retried | Dropped):
            self._lanes.wake([answer.lane])
            self._emit(_event_of(answer))
        return answer

    async def _close_card(self, request: CloseCard) -> ClosedCard | Refused:
        found = await self._transactions.run(partial(self._store.open_cards, request.number - 1, 1))
        if not found or found[0].number != request.number:
            return Refused(
                f"no card {request.number} is open: `alert-relay cards list` has their numbers"
            )
        lane = found[0].lane
        async with self._lanes.own(lane):
            answer = await self._transactions.run(
                partial(self._store.close_card, request.number, self._clock())
            )
        if isinstance(answer, ClosedCard):
            self._lanes.wake([lane])
            values = (("card", request.number), ("receiver", found[0].receiver))
            self._emit(Noted("info", "card closed by hand", values))
        return answer

    async def _roster(self, request: RosterRequest) -> RosterAnswer:
        answer = await self._transactions.run(partial(perform_roster, self._store.people, request))
        if isinstance(request, RemoveSubscription):
            self._config.subscribe(await self._transactions.run(self._store.people.subscriptions))
        return answer

    async def _salvage(self, file: Path) -> Salvaged | Refused:
        """Salvages a few cards in each transaction, so that new alerts need not wait for
        the end.
        """
        left, total = pieces(file), Salvaged()
        try:
            while some := await asyncio.to_thread(lambda: list(islice(left, _PIECES))):
                taken = await self._transactions.run(partial(take_in, self._store, some))
                if taken.subscriptions:
                    self._config.subscribe(
                        await self._transactions.run(self._store.people.subscriptions)
                    )
                self._lanes.wake(taken.lanes)
                total += taken
        except NothingToSalvage as error:
            return _nothing(error)
        finally:
            left.close()
        return total


def _event_of(answer: Retried | Dropped) -> Event:
    if isinstance(answer, Dropped):
        return Settled(answer.lane.platform, answer.receiver, "dead", 1, why=EndReason.DROPPED)
    return Noted("info", "delivery retried", (("delivery", answer.id), ("as", answer.new)))


def _bound(path: Path) -> socket.socket:
    """A bound socket that nobody else can open. An existing one was left by a process that
    is gone.
    """
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
        path.chmod(0o600)  # before it listens
    except OSError:
        bound.close()
        raise
    return bound
