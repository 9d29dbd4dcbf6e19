"""The world of `tests.world` over real HTTP on both sides: payloads are posted to the relay's own
server, and its transport calls a sandbox that listens on loopback.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import aiohttp

from relay.core.routing.lane import LaneKey, Target
from relay.inbound.connections import ConnectionLimits, Listener
from relay.inbound.intake import Intake
from relay.inbound.server import Handlers, RequestLimits, Server
from relay.store.writer import Writer
from tests.world_http import HttpWorld


async def _nothing_to_reload() -> tuple[str, ...]:
    return ()


async def _no_metrics() -> bytes:
    return b""


class ServedWorld(HttpWorld):
    """A world to be entered with `async with`. The store has a thread; the test owns the clock."""

    def __init__(self, *targets: Target) -> None:
        super().__init__(*targets)
        self.writer = Writer(self.store)
        self.transactions = self.writer
        self.pipeline = self._begun()
        intake = Intake(self.writer, self._wake, lambda: self.now, self.events.append, self.config)
        handlers = Handlers(
            intake.accept, lambda: "", _nothing_to_reload, _no_metrics, self.events.append
        )
        server = Server(handlers, RequestLimits())
        self._listener = Listener(server.handle, ConnectionLimits())
        self._session = aiohttp.ClientSession()
        self._url = ""

    def _wake(self, lanes: Iterable[LaneKey]) -> None:
        self.wakes |= dict.fromkeys(lanes, self.now)

    async def __aenter__(self) -> Self:
        self._url = f"http://{await self._listener.open('127.0.0.1', 0, None)}"
        return await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._session.close()
        await self._listener.close()
        self.writer.stop()

    async def post_body(self, source: str, body: bytes) -> None:
        """Alertmanager posts a body; when this returns it was answered with 200, and its lanes have
        their work.
        """
        url = f"{self._url}/alerts/{source}" if source else f"{self._url}/alerts"
        headers = {"Content-Type": "application/json"}
        async with self._session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        self._wake(await self.writer.spread())
