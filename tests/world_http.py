"""The world of `tests.world` over real HTTP: the relay's own transport calls a sandbox that listens
on loopback.
"""

from types import TracebackType
from typing import Self

from msgspec.structs import replace

from relay.core.budget import Limits
from relay.core.routing.lane import Target
from relay.core.routing.route import Routing
from relay.core.secret import Secret
from relay.delivery.transport import Transport
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox.server import Sandbox
from tests.world import API, World

# real seconds for which the transport waits for an answer that comes, however slow the machine is
PATIENCE = 30.0
LITTLE_PATIENCE = 0.25  # and for one that never comes
TIMEOUT = 15.0  # seconds of the fake clock that pass meanwhile


class HttpWorld(World):
    """A world to be entered with `async with`. Its clock is still the test's: nothing sleeps but a
    call that hangs.
    """

    def __init__(
        self,
        *targets: Target,
        routing: Routing | None = None,
        limits: Limits | None = None,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(*targets, routing=routing, limits=limits)
        self.sandbox = Sandbox(self.telegram, self.discord, self.faults, lambda: self.now)
        self.transport = Transport(connect=patience, total=patience)

    async def __aenter__(self) -> Self:
        await self.sandbox.listen("127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.transport.close()
        await self.sandbox.stop()

    async def send(self, request: Request) -> Response | NoAnswer:
        """The sandbox's answer over a socket."""
        here = Secret(request.url.reveal().replace(API, self.sandbox.url, 1))
        answer = await self.transport.send(replace(request, url=here))
        if isinstance(answer, NoAnswer) and answer.why.startswith("timed out"):
            self.now += TIMEOUT
        return answer
