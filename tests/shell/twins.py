"""Two peers of an Alertmanager behind loopback addresses, and a clock that a test sets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp.test_utils import TestServer

from relay.alertmanager.client import transport
from relay.delivery.transport import Transport
from tests.twin_alertmanager import TwinAlertmanager, TwinCluster

NOW = 1_795_300_000.0


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Twins:
    """The peers, and the connections to them."""

    clock: Clock
    twins: list[TwinAlertmanager]
    servers: list[TestServer]
    connections: Transport
    prefix: str

    @property
    def urls(self) -> tuple[str, ...]:
        """Their addresses, the path prefix with them."""
        return tuple(str(server.make_url(self.prefix)).rstrip("/") for server in self.servers)


@asynccontextmanager
async def two_peers(prefix: str = "") -> AsyncIterator[Twins]:
    """Both of them, listening under a path prefix."""
    clock, cluster = Clock(), TwinCluster()
    twins = [TwinAlertmanager(clock, cluster, f"am-{at}") for at in (0, 1)]
    servers = [TestServer(twin.app(prefix)) for twin in twins]
    for server in servers:
        await server.start_server()
    connections = transport()
    yield Twins(clock, twins, servers, connections, prefix)
    await connections.close()
    for server in servers:
        await server.close()
