"""A local Alertmanager: API v2 with the ways in which real ones fail; peers gossip late."""

import json
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

from relay.alertmanager.api import time_of
from relay.core.alert import alert_key
from relay.core.routing.matcher import Matcher, MatcherError, matches, parse
from relay.sandbox.reply import JsonObject

# What a call may meet: an answer of these, an answer lost after the deed, or before it; a success
# that names nothing; errors in the three forms; a proxy's page.
Fault = Literal[
    "busy", "lost after", "lost before", "success without answer", "error after", "text", "object",
    "empty", "page",
]  # fmt: skip
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GOSSIP = 0.2  # seconds until a peer knows of a silence
_RESERVED = 300.0


@dataclass
class TwinSilence:
    """A silence as a peer has it. Times are Unix seconds; `known_from` is when others have it."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    updated_at: float
    home: str

    def state(self, now: float) -> str:
        if self.ends_at <= now:
            return "expired"
        return "pending" if self.starts_at > now else "active"


@dataclass
class TwinCluster:
    """What the peers of a cluster share: the silences. Alerts are each peer's own."""

    silences: dict[str, TwinSilence] = field(default_factory=dict)
    gossip: float = GOSSIP


@dataclass
class TwinAlertmanager:
    """One peer. `faults` are met by the calls to come, first come first served; `None` is none.

    `fingerprints` are those of alerts by their `instance`, where they are not Alertmanager's own.
    `skew` is how far its clock is ahead of ours, in seconds. `old`: it speaks as 0.25 does.
    """

    clock: Callable[[], float]
    cluster: TwinCluster = field(default_factory=TwinCluster)
    name: str = "am-0"
    old: bool = False
    skew: float = 0.0
    settling: bool = False
    alerts: list[dict[str, str]] = field(default_factory=list)
    inhibited: dict[int, str] = field(default_factory=dict)
    faults: deque[Fault | None] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    started_at: float = 0.0
    headers: list[dict[str, str]] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    @property
    def now(self) -> float:
        """Its own clock."""
        return self.clock() + self.skew

    def restart(self, *, loses_silences: bool = False) -> None:
        """Begins anew without alerts; killed alone, without the silences since the snapshot."""
        self.alerts.clear()
        self.inhibited.clear()
        self.started_at = self.clock()
        if loses_silences:
            self.cluster.silences.clear()

    def app(self, prefix: str = "") -> web.Application:
        """The API under a path prefix."""
        app = web.Application(middlewares=[self._meet])
        routes: tuple[tuple[str, str, Callable[[web.Request], web.Response]], ...] = (
            ("GET", "status", self._status),
            ("GET", "alerts", self._alerts),
            ("GET", "silences", self._silences),
            ("DELETE", "silence/{id}", self._expire),
        )
        for verb, path, handle in routes:
            app.router.add_route(verb, f"{prefix}/api/v2/{path}", _handler(handle))
        app.router.add_post(f"{prefix}/api/v2/silences", self._write)
        return app

    @web.middleware
    async def _meet(self, request: web.Request, handler: "_Handler") -> web.StreamResponse:
        """Each call meets its fault, before the deed or after it."""
        self.calls.append(f"{request.method} {request.path_qs}")
        self.headers.append(dict(request.headers))
        fault = self.faults.popleft() if self.faults else None
        match fault:
            case "busy":
                return web.Response(status=503, text="Limit of concurrent GET requests reached")
            case "text":
                return web.json_response("a bad thing", status=400)
            case "object":
                return web.json_response({"code": 601, "message": "a bad thing"}, status=422)
            case "empty":
                return web.Response(status=400)
            case "page":
                return web.Response(status=200, text="<html>login</html>", content_type="text/html")
            case "lost before":
                return self._cut(request)
            case _:
                pass
        response: web.StreamResponse = await handler(request)
        match fault:
            case "lost after":
                return self._cut(request)
            case "error after":
                return web.json_response("internal error", status=500)
            case "success without answer":
                return web.Response(status=200)
            case _:
                pass
        response.headers["Date"] = _http_date(self.now)
        return response

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _status(self, _request: web.Request) -> web.Response:
        cluster = "settling" if self.settling else "ready"
        body: JsonObject = {
            "cluster": {"status": cluster, "peers": []},
            "versionInfo": {"version": "0.25.0" if self.old else "0.33.1"},
            "uptime": _written(self.started_at + self.skew),
            "config": {"original": ""},
        }
        return web.json_response(body)

    def _alerts(self, request: web.Request) -> web.Response:
        try:
            wanted = tuple(
                each for text in request.query.getall("filter", []) for each in parse(text)
            )
        except MatcherError as error:
            return web.json_response(f"bad matcher format: {error}", status=400)
        with_active = request.query.get("active", "true") == "true"
        found = [
            body
            for at, labels in enumerate(self.alerts)
            if matches(wanted, labels)
            for body in [self._alert(at, labels)]
            if with_active or _state(body) != "active"
        ]
        return web.json_response(found)

    def _alert(self, at: int, labels: dict[str, str]) -> JsonObject:
        silenced = [
            each.id
            for each in self._known()
            if each.state(self.now) == "active" and matches(each.matchers, labels)
        ]
        inhibited = [self.inhibited[at]] if at in self.inhibited else []
        return {
            "labels": labels,
            "annotations": {},
            "fingerprint": self.fingerprints.get(labels.get("instance", "")) or alert_key(labels),
            "startsAt": _written(self.started_at),
            "endsAt": _written(self.now + _RESERVED),
            "updatedAt": _written(self.now),
            "generatorURL": "",
            "receivers": [{"name": "relay"}],
            "status": {
                "state": "suppressed" if silenced or inhibited else "active",
                "silencedBy": silenced,
                "inhibitedBy": inhibited,
            },
        }

    def _known(self) -> Iterable[TwinSilence]:
        """Its own silences, and those of its peers once they were gossiped."""
        for each in self.cluster.silences.values():
            if each.home == self.name or each.updated_at + self.cluster.gossip <= self.now:
                yield each

    def _silences(self, _request: web.Request) -> web.Response:
        return web.json_response([self._silence(each) for each in self._known()])

    def _silence(self, silence: TwinSilence) -> JsonObject:
        return {
            "id": silence.id,
            "matchers": [
                {
                    "name": each.name,
                    "value": each.value,
                    "isRegex": each.op in ("=~", "!~"),
                    "isEqual": each.op in ("=", "=~"),
                }
                for each in silence.matchers
            ],
            "startsAt": _written(silence.starts_at),
            "endsAt": _written(silence.ends_at),
            "updatedAt": _written(silence.updated_at),
            "createdBy": silence.created_by,
            "comment": silence.comment,
            "status": {"state": silence.state(self.now)},
        }

    async def _write(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.json_response({"code": 400, "message": "parsing body"}, status=400)
        if not body.get("matchers"):
            return web.json_response({"code": 612, "message": "matchers in body"}, status=422)
        if any(key not in body for key in ("comment", "createdBy", "startsAt", "endsAt")):
            return web.json_response({"code": 602, "message": "is required"}, status=422)
        found = tuple(_matcher(each) for each in body["matchers"])
        if matches(found, {}):
            why = "at least one matcher must not match the empty string"
            return web.json_response(f"Failed to create silence: {why}", status=400)
        ends_at = time_of(body["endsAt"])
        if ends_at <= self.now:
            why = "Failed to create silence: end time can't be in the past"
            return web.json_response(why, status=400)
        return self._kept(body, found, ends_at)

    def _kept(
        self, body: dict[str, str], found: tuple[Matcher, ...], ends_at: float
    ) -> web.Response:
        """The same id stays where start and matchers are the same; else there is a new one."""
        known = {each.id: each for each in self._known()}
        asked = body.get("id", "")
        if asked and asked not in known:
            return self._no_such()
        old = known.get(asked)
        starts_at = max(time_of(body["startsAt"]), self.now)
        is_same = (
            old is not None
            and old.state(self.now) == "active"
            and int(old.starts_at) == int(time_of(body["startsAt"]))
            and old.matchers == found
        )
        if old is not None and not is_same:
            old.ends_at = min(old.ends_at, self.now)
        silence_id = asked if is_same else str(uuid.uuid4())
        self.cluster.silences[silence_id] = TwinSilence(
            silence_id,
            found,
            old.starts_at if old is not None and is_same else starts_at,
            ends_at,
            body["createdBy"],
            body["comment"],
            self.now,
            self.name,
        )
        return web.json_response({"silenceID": silence_id})

    def _expire(self, request: web.Request) -> web.Response:
        known = {each.id: each for each in self._known()}
        silence = known.get(request.match_info["id"])
        if silence is None:
            return self._no_such()
        silence.ends_at = min(silence.ends_at, self.now)
        silence.updated_at, silence.home = self.now, self.name
        return web.Response(status=200)

    def _no_such(self) -> web.Response:
        return web.json_response("silence not found", status=500 if self.old else 404)


def _handler(handle: Callable[[web.Request], web.Response]) -> _Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return handle(request)

    return answer


def _matcher(body: dict[str, object]) -> Matcher:
    is_regex, is_equal = body.get("isRegex") is True, body.get("isEqual") is not False
    name, value = str(body["name"]), str(body["value"])
    if is_regex:
        return Matcher(name, "=~" if is_equal else "!~", value)
    return Matcher(name, "=" if is_equal else "!=", value)


def _state(body: JsonObject) -> object:
    status = body["status"]
    return status["state"] if isinstance(status, dict) else ""


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _http_date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
