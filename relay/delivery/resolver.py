"""Resolves names in threads of their own: a name server that does not answer delays only the calls
to that name.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

_Key = tuple[str, int, socket.AddressFamily]


class Resolver(AbstractResolver):
    """Asks the system, once at a time for each name. The caller sets the deadline; the end of the
    process waits for no answer.
    """

    def __init__(self) -> None:
        self._asked: dict[_Key, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of the name. Raises OSError if it has none."""
        key = (host, port, family)
        if key not in self._asked:
            self._asked[key] = asyncio.get_running_loop().create_future()
            self._asked[key].add_done_callback(partial(self._ended, key))
            ask = partial(_ask, key, self._asked[key])
            threading.Thread(target=ask, name="resolve", daemon=True).start()
        return await asyncio.shield(self._asked[key])

    async def close(self) -> None:
        """Does nothing: the threads end by themselves."""

    def _ended(self, key: _Key, asked: "asyncio.Future[list[ResolveResult]]") -> None:
        del self._asked[key]
        if not asked.cancelled():
            asked.exception()  # the callers may be gone


def _ask(key: _Key, asked: "asyncio.Future[list[ResolveResult]]") -> None:
    host, port, family = key
    found: list[ResolveResult] | OSError
    try:
        found = _looked_up(host, port, family)
    except (OSError, UnicodeError) as error:
        found = error if isinstance(error, OSError) else OSError("not a name")
    with suppress(RuntimeError):  # the loop may have ended
        asked.get_loop().call_soon_threadsafe(_settle, asked, found)


def _looked_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    flags = socket.AI_ADDRCONFIG
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=flags)
    return [
        ResolveResult(
            hostname=host,
            host=_numeric(address),
            port=port,
            family=kind,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, proto, _, address in infos
    ]


def _numeric(address: "tuple[object, ...]") -> str:
    """The address; a link-local one with its interface number."""
    scope = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{scope}" if scope else str(address[0])


def _settle(
    asked: "asyncio.Future[list[ResolveResult]]", found: list[ResolveResult] | OSError
) -> None:
    if asked.done():
        return
    if isinstance(found, OSError):
        asked.set_exception(found)
    else:
        asked.set_result(found)
