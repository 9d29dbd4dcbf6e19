"""The Alertmanager of one source: calls go to one sticky peer, one at a time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from relay.alertmanager import api
from relay.core.action.reconcile import PeerAnswer, Poll
from relay.core.action.settings import AlertmanagerConfig
from relay.core.action.silence import (
    Answer,
    ApiRefused,
    ApiUnavailable,
    ApiUnknown,
    Call,
    Count,
    Counted,
    Expire,
    Find,
    FoundSilence,
    NotFound,
    Write,
    is_of,
)
from relay.core.routing.matcher import Matcher
from relay.delivery.calls import Exchange
from relay.delivery.transport import Transport
from relay.platforms.http import NoAnswer, Request, Response

T = TypeVar("T")

CONNECT, TOTAL = 2.0, 10.0  # seconds
MOST_READ = 32 << 20  # bytes of an answer


def transport() -> Transport:
    """The connections to Alertmanagers, with their time limits and their limit of bytes read."""
    return Transport(CONNECT, TOTAL, MOST_READ)


class AlertmanagerClient:
    """Calls the Alertmanager of a source. Failures are values; nothing is raised.

    A peer that cannot be reached is replaced by the next one, except for a call that names its
    peer: what was posted to a peer is looked for there.
    """

    def __init__(
        self, config: AlertmanagerConfig, exchange: Exchange, clock: Callable[[], float]
    ) -> None:
        self._config = config
        self._exchange = exchange
        self._clock = clock
        self._peers = config.urls
        self._at = 0
        self._locks = {peer: asyncio.Lock() for peer in config.urls}

    @property
    def peer(self) -> str:
        """The peer in use."""
        return self._peers[self._at]

    async def call(self, call: Call, peer: str) -> Answer:
        """The answer to a call of a silencing. It goes to `peer`, as `peer_for` chooses it."""
        match call:
            case Count(matchers):
                return await self._count(matchers, peer)
            case Find(action):
                return await self._find(action, peer)
            case Write(silence):
                request = api.write_request(self._config, peer, silence)
                return self._noted(peer, api.written_of(await self._send(request, peer)))
            case Expire(silence_id):
                request = api.expire_request(self._config, peer, silence_id)
                return self._noted(peer, api.expired_of(await self._send(request, peer)))
            case _:
                assert_never(call)

    def peer_for(self, wanted: str) -> str:
        """The peer for a silencing's next call: the one that it was posted to, if it is still
        configured; else the one in use.
        """
        return wanted if wanted in self._peers else self.peer

    async def poll(self) -> Poll | ApiRefused | ApiUnavailable | ApiUnknown:
        """The alerts that the peer suppresses, and its silences; an error of one call is the error
        of both.
        """
        peer = self.peer
        request = api.status_request(self._config, peer)
        status = api.status_of(await self._send(request, peer), self._clock())
        if isinstance(status, ApiRefused | ApiUnavailable | ApiUnknown):
            return self._noted(peer, status)
        request = api.suppressed_request(self._config, peer)
        suppressed = api.alerts_of(await self._send(request, peer))
        if not isinstance(suppressed, tuple):
            return self._noted(peer, suppressed)
        silences = api.silences_of(await self._send(api.silences_request(self._config, peer), peer))
        if not isinstance(silences, tuple):
            return self._noted(peer, silences)
        return Poll(status, suppressed, silences)

    async def ask(self, matchers: Sequence[Matcher]) -> tuple[PeerAnswer, ...]:
        """The matching alerts of each peer that answers: peers do not gossip alerts."""
        found = await asyncio.gather(*(self._ask(peer, matchers) for peer in self._peers))
        return tuple(each for each in found if each is not None)

    async def _ask(self, peer: str, matchers: Sequence[Matcher]) -> PeerAnswer | None:
        request = api.status_request(self._config, peer)
        status = api.status_of(await self._send(request, peer), self._clock())
        if isinstance(status, ApiRefused | ApiUnavailable | ApiUnknown):
            return None
        request = api.alerts_request(self._config, peer, matchers)
        alerts = api.alerts_of(await self._send(request, peer))
        return PeerAnswer(status, alerts) if isinstance(alerts, tuple) else None

    async def _count(self, matchers: Sequence[Matcher], peer: str) -> Answer:
        response = await self._send(api.alerts_request(self._config, peer, matchers), peer)
        alerts = api.alerts_of(response)
        if not isinstance(alerts, tuple):
            return self._noted(peer, alerts)
        return Counted(tuple(each.labels for each in alerts), api.clock_of(response))

    async def _find(self, action: str, peer: str) -> Answer:
        """The silence of the action on that peer. An expired one counts as well, since it
        was made.
        """
        silences = api.silences_of(await self._send(api.silences_request(self._config, peer), peer))
        if not isinstance(silences, tuple):
            return self._noted(peer, silences)
        found = (each for each in silences if is_of(each.comment, action))
        first = next(found, None)
        return NotFound() if first is None else FoundSilence(first.id, first.ends_at)

    async def _send(self, request: Request, peer: str) -> Response | NoAnswer:
        async with self._locks.setdefault(peer, asyncio.Lock()):
            return await self._exchange(request)

    def _noted(self, peer: str, answer: T) -> T:
        """The answer; if the peer is unavailable, the next peer is used from now on."""
        if isinstance(answer, ApiUnavailable | ApiUnknown) and peer == self.peer:
            self._at = (self._at + 1) % len(self._peers)
        return answer
