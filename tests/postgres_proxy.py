"""A network between a PostgreSQL and its clients, of which a test says how bad it is."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

Cut = Literal["before", "after"]
_CHUNK = 1 << 16


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: "Proxy", client: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.was_answered = True  # since the client said something
        self.is_lost = False  # the answer to a COMMIT is

    def abort(self) -> None:
        for side in (self.client, self.server):
            if side is not None:
                side.transport.abort()


class Proxy:
    """Listens on a port of loopback, in a thread of its own. `latency`: seconds by which what
    clients say comes later. `swallows`: nothing goes through, and nobody is told. `trips`: how
    often a client waited for an answer.
    """

    def __init__(self, folder: str) -> None:
        """`folder` is where the socket of the server is."""
        self._socket = f"{folder}/.s.PGSQL.5432"
        self.latency = 0.0
        self.swallows = False
        self.trips = 0
        self._cut: Cut | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def url(self, database_url: str) -> str:
        """The address of a database (see `Cluster.url`) through the proxy."""
        name = urlsplit(database_url).path
        return f"postgresql://relay@127.0.0.1:{self.port}{name}"

    def cut(self) -> None:
        """Resets every connection."""
        self._loop.call_soon_threadsafe(self._cut_all)

    def cut_at_commit(self, when: Cut) -> None:
        """Resets the connection that says COMMIT next: before the server hears of it, or after, so
        that its answer is lost.
        """
        self._cut = when

    @property
    def is_to_cut(self) -> bool:
        """Nobody said COMMIT since `cut_at_commit`."""
        return self._cut is not None

    def stop(self) -> None:
        """Ends it."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._cut_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _cut_all(self) -> None:
        for link in tuple(self._links):
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, writer)
        self._links.add(link)
        try:
            from_server, link.server = await asyncio.open_unix_connection(self._socket)
            both = (self._say(link, reader), self._answer(link, from_server))
            done, left = await asyncio.wait(
                [asyncio.ensure_future(each) for each in both],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for each in left:
                each.cancel()
            for each in done:
                each.exception()
        except OSError:  # the server is not there
            pass
        finally:
            link.abort()
            self._links.discard(link)

    async def _say(self, link: _Link, reader: asyncio.StreamReader) -> None:
        """Each chunk goes on `latency` after it came; the next does not wait for it."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        forward = asyncio.ensure_future(self._forward(link, queue))
        try:
            while chunk := await reader.read(_CHUNK):
                self.trips += link.was_answered
                link.was_answered = False
                if self.swallows:
                    continue
                cut = self._cut if b"COMMIT" in chunk else None
                if cut:
                    self._cut = None
                    if cut == "before":
                        return
                    link.is_lost = True
                queue.put_nowait((self._loop.time() + self.latency, chunk))
        finally:
            forward.cancel()

    async def _forward(self, link: _Link, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        while True:
            due, chunk = await queue.get()
            if (early := due - self._loop.time()) > 0:
                await asyncio.sleep(early)
            if link.server is not None:
                link.server.write(chunk)

    async def _answer(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(_CHUNK):
            if link.is_lost:
                return
            link.was_answered = True
            if not self.swallows:
                link.client.write(chunk)
                with suppress(ConnectionError):
                    await link.client.drain()


@contextmanager
def proxy(folder: str) -> Iterator[Proxy]:
    """A proxy that runs."""
    made = Proxy(folder)
    try:
        yield made
    finally:
        made.stop()
