"""Asks about the storage: the relay that runs on it, or, if none runs, the storage itself."""

import socket
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from relay.cli.base import Address, Storage, complain
from relay.core.event import Event, StorageDamaged
from relay.operate.admin_socket import (
    AdminAnswer,
    AdminRequest,
    Drop,
    Failed,
    Retry,
    Salvage,
    back_up,
    perform,
)
from relay.store.data_dir import DATABASE, CannotStart, DataDir, InUse, socket_path
from relay.store.history import Backup, CloseCard
from relay.store.protocol import NewerSchema, StoreError
from relay.store.queue import Refused, Whole
from relay.store.sqlite.store import SqliteStore

if TYPE_CHECKING:  # psycopg may not be installed
    from relay.store.postgres.admin import AdminStore

LONG_PATIENCE = 3600.0  # seconds for a copy of the whole storage
PATIENCE = 30.0  # seconds: longer than a call to a chat, for which retry and drop may wait
_LARGEST = 64 << 20  # bytes of an answer
_answer: Callable[[bytes], AdminAnswer] = msgspec.json.Decoder(AdminAnswer).decode


def ask(storage: Storage, request: AdminRequest) -> AdminAnswer:
    """The answer, the same from a running relay and from the storage. Raises CannotStart if there
    is none.
    """
    if isinstance(storage, Address):
        return _from_database(storage.url.reveal(), request)
    answer = _from_relay(socket_path(storage), request)
    return _from_storage(storage, request) if answer is None else answer


def _from_relay(path: Path, request: AdminRequest) -> AdminAnswer | None:
    """The answer of the relay that listens there; None if nobody does, even if a relay left its
    socket behind.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(LONG_PATIENCE if isinstance(request, Backup) else PATIENCE)
        try:
            line.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise CannotStart(
                f"cannot reach the relay at {path}: {error.strerror}; run this as its user, with "
                "its --storage.path"
            ) from error
        try:
            line.sendall(msgspec.json.encode(request) + b"\n")
            return _answer(_read(line))
        except (OSError, msgspec.DecodeError) as error:
            raise CannotStart(
                f"the relay at {path} gave no answer: see `queue list` and the relay's log "
                "before you try again"
            ) from error


def _read(line: socket.socket) -> bytes:
    read = bytearray()
    while len(read) < _LARGEST and (part := line.recv(1 << 16)):
        read += part
    return bytes(read)


def _from_storage(storage: Path, request: AdminRequest) -> AdminAnswer:
    if not (storage / DATABASE).is_file():
        raise CannotStart(f"no storage at {storage}: name the relay's folder with --storage.path")
    try:
        folder = DataDir(storage)
    except InUse as error:
        raise CannotStart(
            f"an alert-relay uses {storage} but does not answer yet, or no longer: try again in a "
            "few seconds"
        ) from error
    try:
        return _open_and_perform(folder.database, request)
    finally:
        folder.release()


def _from_database(url: str, request: AdminRequest) -> AdminAnswer:
    """Acts through the database, whichever replicas run on it."""
    try:
        admin = import_module("relay.store.postgres.admin")
    except ImportError as error:
        raise CannotStart(
            f"PostgreSQL needs psycopg ({error}): pip install 'alert-relay[postgres]'"
        ) from error
    try:
        admin_store: AdminStore = admin.AdminStore(url)
    except (NewerSchema, StoreError, ValueError) as error:
        raise CannotStart(f"PostgreSQL: {error}") from error
    try:
        return _perform_beside(admin_store, request)
    except StoreError as error:
        return Failed(f"PostgreSQL: {error}")
    finally:
        admin_store.store.close()


def _perform_beside(admin_store: "AdminStore", request: AdminRequest) -> AdminAnswer:
    store = admin_store.store
    if isinstance(request, Backup):
        return back_up(store, request)
    if isinstance(request, Salvage):
        return Refused(
            "this storage is PostgreSQL: only a relay on SQLite can salvage a damaged file"
        )
    lane = None
    if isinstance(request, Retry | Drop):
        found = store.queued(request.id)
        lane = found.delivery.lane if isinstance(found, Whole) else None
    elif isinstance(request, CloseCard):
        cards = store.open_cards(request.number - 1, 1)
        lane = cards[0].lane if cards and cards[0].number == request.number else None
    answers: list[AdminAnswer] = []
    failed = admin_store.do(lambda now: answers.append(perform(store, request, now)), lane)
    return Failed(f"PostgreSQL: {failed}") if failed else answers[0]


def _open_and_perform(database: Path, request: AdminRequest) -> AdminAnswer:
    try:
        store = SqliteStore(database, emit=_emit)
    except (NewerSchema, StoreError) as error:
        raise CannotStart(f"{database}: {error}") from error
    try:
        if isinstance(request, Backup):
            return back_up(store, request)
        answers: list[AdminAnswer] = []
        (failed,) = store.batch([lambda: answers.append(perform(store, request, time.time()))])
    except StoreError as error:
        return Failed(f"{database}: {error}")
    finally:
        store.close()
    return Failed(f"{database}: {failed}") if isinstance(failed, Exception) else answers[0]


def _emit(event: Event) -> None:
    if isinstance(event, StorageDamaged):
        complain(
            f"the storage was damaged ({event.why}): it is now {event.moved_to}, and an empty "
            "one was started"
        )
