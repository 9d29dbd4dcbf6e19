"""Statements on one connection, sent together: what a statement gives is waited for when somebody
reads it.

https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import hashlib
import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from struct import unpack
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import pq

from relay.store.sql.database import Value

Cells = Value | tuple[int, ...] | tuple[str, ...]
_LARGE = 1 << 20  # bytes of a value
_OFTEN = 3  # runs of a statement after which it is prepared
_PATIENCE = 15.0  # seconds without a word from the database, after which the connection is lost
_MOST_KNOWN = 1000  # statements of which is remembered whether they are prepared
_INT8, _FLOAT8, _INT2, _TEXT, _BYTEA, _INT8S, _TEXTS = 20, 701, 21, 25, 17, 1016, 1009
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
_Key = tuple[str, tuple[int, ...]]


def _number(text: bytes) -> int | float:
    """The sum of whole numbers, as a whole number."""
    told = text.decode()
    return int(told) if told.lstrip("-").isdigit() else float(told)


_READERS: dict[int, Callable[[bytes], Any]] = {
    16: b"t".__eq__,
    _BYTEA: lambda text: bytes.fromhex(text[2:].decode()),
    _INT8: int,
    _INT2: int,
    23: int,
    700: float,
    _FLOAT8: float,
    1700: _number,
}

# https://www.postgresql.org/docs/current/protocol-message-formats.html
_BINARY_READERS: dict[int, Callable[[bytes], Any]] = {
    16: any,
    _BYTEA: bytes,
    **dict.fromkeys((_INT8, _INT2, 23), partial(int.from_bytes, byteorder="big", signed=True)),
    700: lambda told: unpack("!f", told)[0],
    _FLOAT8: lambda told: unpack("!d", told)[0],
}


@lru_cache(maxsize=_MOST_KNOWN)
def _result_format(sql: str) -> int:
    """Binary for statements that give bodies: as text each takes twice its bytes, and a card may
    have many megabytes. The sum of whole numbers is a number whose binary form we do not read.
    """
    return int("body" in sql and "sum(" not in sql)


class Reply:
    """The result of a statement: its rows, once the connection waited for them."""

    __slots__ = ("_at", "_error", "_rows", "_wait", "number")

    def __init__(self, wait: Callable[["Reply"], None], number: int) -> None:
        """`number` is that of the statement."""
        self._wait = wait
        self.number = number
        self._rows: list[tuple[Any, ...]] | None = None
        self._error: psycopg.Error | None = None
        self._at = 0

    def tell(self, rows: list[tuple[Any, ...]] | psycopg.Error) -> None:
        """Sets the result."""
        if isinstance(rows, psycopg.Error):
            self._error, self._rows = rows, []
        else:
            self._rows = rows

    @property
    def is_there(self) -> bool:
        """Whether the result is known."""
        return self._rows is not None

    def _known(self) -> list[tuple[Any, ...]]:
        if self._rows is None:
            self._wait(self)
        if self._error is not None:
            raise self._error
        return self._rows or []

    def fetchone(self) -> Any:
        """The next row, or None. Raises psycopg.Error."""
        rows = self._known()
        self._at += 1
        return rows[self._at - 1] if self._at <= len(rows) else None

    def fetchall(self) -> list[Any]:
        """The rows that are left. Raises psycopg.Error."""
        rows = self._known()[self._at :]
        self._at += len(rows)
        return rows

    def __iter__(self) -> Iterator[Any]:
        yield from self.fetchall()


class _Sent(Struct):
    """What the database is to answer: a statement, with the key of the one that it prepares, or the
    end of a transaction, after which errors are forgotten.
    """

    reply: Reply | None = None
    prepares: _Key | None = None
    ends: bool = False


class PipelinedConnection:
    """The connection of one thread. `trips`: how often an answer was waited for."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, prepares: bool) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self.prepares = prepares
        self._libpq.enter_pipeline_mode()
        self._libpq.nonblocking = 1
        self._socket = self._libpq.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._sent: deque[_Sent] = deque()
        self._last = 0  # statement, by its number
        self._asked_for = 0  # up to which the answers are on their way
        self._runs: dict[_Key, int] = {}
        self._prepared: dict[_Key, bytes] = {}
        self._error: psycopg.Error | None = None
        self.trips = 0
        self.is_swollen = False  # libpq's buffers have grown, which never shrink

    @property
    def is_lost(self) -> bool:
        """Whether the connection is lost."""
        return self._libpq.status != pq.ConnStatus.OK

    @property
    def error(self) -> psycopg.Error | None:
        """The first error since the last `settle`, or None."""
        return self._error

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def send(self, sql: str, parameters: Sequence[Cells] = (), *, prepares: bool = True) -> Reply:
        """Sends one statement with the next that is waited for. Raises psycopg.Error."""
        self._last += 1
        reply = Reply(self.wait, self._last)
        oids, values, formats = _encoded(parameters)
        self._saw(value for value, binary in zip(values, formats, strict=True) if binary)
        key = (sql, oids)
        name = self._prepared.get(key)
        if name is None and prepares and self.prepares:
            runs = self._runs[key] = self._runs.get(key, 0) + 1
            if runs > _OFTEN and len(self._prepared) < _MOST_KNOWN:
                # A pooler may let another one have prepared it: the name says what.
                name = _name_of(key)
                self._libpq.send_prepare(name, sql.encode(), oids)
                self._sent.append(_Sent(None, key))
                self._prepared[key] = name
        if name is None:
            self._libpq.send_query_params(sql.encode(), values, oids, formats, _result_format(sql))
        else:
            self._libpq.send_query_prepared(name, values, formats, _result_format(sql))
        self._sent.append(_Sent(reply))
        return reply

    def end(self) -> None:
        """The last statement ended a transaction. What is sent from now on is run whatever came of
        what was sent before.
        """
        self._libpq.pipeline_sync()
        self._sent.append(_Sent(ends=True))

    def finish(self) -> None:
        """Waits for what was sent outside of a transaction. Raises psycopg.Error."""
        self.end()
        self.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def settle(self) -> None:
        """Waits for what was sent, and forgets what came of it. Raises psycopg.Error if the
        connection is lost.
        """
        if self._sent:
            self.push()
            self._hear_all(None)
        elif self._poll.poll(0):
            self._libpq.consume_input()
        self._error = None

    def push(self) -> None:
        """Sends what waits to be sent, without waiting for what comes of it. Raises
        psycopg.Error.
        """
        while self._libpq.flush():
            self._wait(writes=True)

    def wait(self, reply: Reply | None = None) -> None:
        """Waits for this result; None: for all. Raises psycopg.Error if the connection is lost."""
        if not self._sent or (reply is not None and reply.is_there):
            return
        if (reply.number if reply else self._last) > self._asked_for:
            if not self._sent[-1].ends:
                self._libpq.send_flush_request()
            self._asked_for = self._last
            self.trips += 1
            self.push()
        self._hear_all(reply)

    def _hear_all(self, reply: Reply | None) -> None:
        while self._sent and (reply is None or not reply.is_there):
            self._hear(self._sent.popleft())

    def _hear(self, sent: _Sent) -> None:
        """Receives the result of the oldest statement that was sent."""
        result = self._result()
        if sent.ends:
            return
        while (following := self._result()) is not None:  # the end of this statement's
            result = following
        error = None
        if result is None or result.status not in _DONE:
            error = self._failed(result)
            if sent.prepares is not None:
                self._prepared.pop(sent.prepares, None)
        if sent.reply is not None:
            rows = _rows(result) if result else []
            self._saw(cell for row in rows for cell in row if type(cell) is bytes)
            sent.reply.tell(error or rows)

    def _saw(self, bodies: Iterable[bytes | None]) -> None:
        self.is_swollen = self.is_swollen or any(
            body is not None and len(body) > _LARGE for body in bodies
        )

    def _failed(self, result: pq.abc.PGresult | None) -> psycopg.Error:
        """Keeps the first error: the others follow from it."""
        if self._error is None:
            if result is None or result.status == pq.ExecStatus.PIPELINE_ABORTED:
                self._error = psycopg.OperationalError("the connection to the database was lost")
            else:
                self._error = psycopg.errors.error_from_result(result)
        return self._error

    def _result(self) -> pq.abc.PGresult | None:
        """The next result of libpq; None at the end of a statement."""
        while self._libpq.is_busy():
            self._wait()
        return self._libpq.get_result()

    def _wait(self, *, writes: bool = False) -> None:
        if writes:
            self._poll.modify(self._socket, select.POLLIN | select.POLLOUT)
        ready = self._poll.poll(1000 * _PATIENCE)
        if writes:
            self._poll.modify(self._socket, select.POLLIN)
        if not ready:
            self.close()
            raise psycopg.OperationalError("the database does not answer")
        if ready[0][1] & ~select.POLLOUT:
            self._libpq.consume_input()


def _name_of(key: _Key) -> bytes:
    return b"r" + hashlib.sha256(repr(key).encode()).hexdigest()[:24].encode()


def _rows(result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
    columns = range(result.nfields)
    known = _BINARY_READERS if result.nfields and result.fformat(0) else _READERS
    readers = [known.get(result.ftype(column), bytes.decode) for column in columns]
    value = result.get_value
    return [
        tuple(
            [
                None if (told := value(row, column)) is None else readers[column](told)
                for column in columns
            ]
        )
        for row in range(result.ntuples)
    ]


def _encoded(
    parameters: Sequence[Cells],
) -> tuple[tuple[int, ...], list[bytes | None], list[int]]:
    """The types of the parameters, their values as libpq takes them, and which are binary."""
    oids: list[int] = []
    values: list[bytes | None] = []
    formats: list[int] = []
    for each in parameters:
        oid, value = _cell(each)
        oids.append(oid)
        values.append(value)
        formats.append(oid == _BYTEA)
    return tuple(oids), values, formats


def _cell(told: Cells) -> tuple[int, bytes | None]:
    match told:
        case None:
            return 0, None
        case bool():  # a flag is a number here, as in SQLite
            return _INT2, b"1" if told else b"0"
        case int():
            return _INT8, str(int(told)).encode()
        case float():
            return _FLOAT8, repr(told).encode()
        case str():
            return _TEXT, _text(told).encode()
        case bytes():
            return _BYTEA, told
        case tuple():
            return _list(told)


def _list(told: tuple[int, ...] | tuple[str, ...]) -> tuple[int, bytes]:
    """https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""
    if told and isinstance(told[0], str):
        quoted = [_text(str(each)).replace("\\", r"\\").replace('"', r"\"") for each in told]
        return _TEXTS, ("{" + ",".join(f'"{each}"' for each in quoted) + "}").encode()
    return _INT8S, ("{" + ",".join(map(str, told)) + "}").encode()


def _text(told: str) -> str:
    """PostgreSQL's texts have no NUL: https://www.postgresql.org/docs/current/datatype-character.html"""
    return told.replace("\0", "")
