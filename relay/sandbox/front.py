"""The address of a demo's relay: it passes requests on, and keeps the last payload of each group,
so that it can be posted again after the relay has started anew.
"""

import json

import aiohttp
from aiohttp import web

from relay.sandbox.reply import JsonObject

_MOST = 128 << 20  # bytes of a body
_GROUPS = 500
_UNAVAILABLE = 503
_PASSED = ("Content-Type", "Content-Encoding")


class Front:
    """Listens in the relay's place. `relay` is the relay's present address, empty while there is
    none.
    """

    def __init__(self) -> None:
        self.relay = ""
        self.latest: dict[tuple[str, str], bytes] = {}
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def listen(self, host: str, port: int) -> str:
        """Starts to listen; returns `HOST:PORT`. Raises OSError."""
        self._session = aiohttp.ClientSession()
        app = web.Application(client_max_size=_MOST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        found = self._runner.addresses[0]
        return f"{found[0]}:{found[1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name: value for name in _PASSED if (value := request.headers.get(name))}
        status, body = await self._pass_on(
            request.method, request.path_qs, await request.read(), headers
        )
        again = {"Retry-After": "1"} if status == _UNAVAILABLE else {}
        return web.Response(status=status, body=body, headers=again)

    async def post(self, body: JsonObject, path: str = "/alerts") -> int:
        """Posts a payload as Alertmanager does. Returns the status of the answer."""
        data = json.dumps(body).encode()
        status, _ = await self._pass_on("POST", path, data, {"Content-Type": "application/json"})
        return status

    async def post_again(self) -> None:
        """Posts the last payload of each group."""
        for (path, _), body in tuple(self.latest.items()):
            await self._pass_on("POST", path, body, {"Content-Type": "application/json"})

    async def _pass_on(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if not self.relay or self._session is None:
            return _UNAVAILABLE, b""
        try:
            async with self._session.request(
                method, f"http://{self.relay}{path}", data=body, headers=headers
            ) as response:
                answer = await response.read()
                if method == "POST" and response.ok and path.startswith("/alerts"):
                    self._keep(path, body)
                return response.status, answer
        except aiohttp.ClientError:
            return _UNAVAILABLE, b""

    def _keep(self, path: str, body: bytes) -> None:
        try:
            read = json.loads(body)
            key = (path, f"{read.get('receiver')} {read.get('groupKey') or read.get('alerts')}")
        except (ValueError, AttributeError):
            return
        self.latest.pop(key, None)
        self.latest[key] = body
        while len(self.latest) > _GROUPS:
            del self.latest[next(iter(self.latest))]
