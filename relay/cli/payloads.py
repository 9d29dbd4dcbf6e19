"""Payloads for verbs: from files, or the alerts that fire in an Alertmanager now."""

import asyncio
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from relay.cli.base import Storage
from relay.cli.prompts import ask
from relay.core.alert import Notification
from relay.core.routing.diff import Recorded
from relay.core.webhook.payload import parse
from relay.core.webhook.shape import PayloadError
from relay.operate.admin_socket import Failed
from relay.store.data_dir import CannotStart
from relay.store.history import ListPayloads, StoredPayload, StoredPayloads
from relay.store.queue import Refused

PATIENCE = 15.0  # seconds for an Alertmanager to answer
Body = dict[str, Any]
_ANSWERED = 200
_ELSEWHERE = "--payload=FILE or --alertmanager.url=URL"
_notification = msgspec.json.Decoder(Notification).decode


class NoPayloads(Exception):  # noqa: N818 - its text is for a person, who names another source
    """Why there are no payloads, and what to do."""


def bodies_of(path: Path) -> Iterator[Body]:
    """The webhook bodies of a file: one JSON object, a list of them, or one on each line. Raises
    NoPayloads.
    """
    try:
        text = path.read_text(encoding="utf-8")
        try:
            read = json.loads(text)
        except ValueError:
            read = [json.loads(line) for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise NoPayloads(f"cannot read the payload {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NoPayloads(f"cannot read the payload {path}: not JSON") from None
    for body in read if isinstance(read, list) else [read]:
        if not isinstance(body, dict):
            raise NoPayloads(f"cannot read the payload {path}: not a JSON object")
        yield body


def recorded(bodies: Iterable[Body], source: str, name: str) -> Iterator[Recorded]:
    """The bodies, as if each had come when the newest of its alerts began or ended."""
    for body in bodies:
        try:
            parts = tuple(parse(json.dumps(body).encode(), source))
        except PayloadError as error:
            raise NoPayloads(f"cannot read the payload {name}: {error}") from None
        at = _newest(parts, time.time())
        yield from (Recorded(at, part) for part in parts)


def _newest(parts: tuple[Notification, ...], now: float) -> float:
    times = [
        at
        for part in parts
        for alert in part.alerts
        for at in (alert.starts_at, alert.ends_at or 0.0)
        if 0.0 < at <= now
    ]
    return max(times, default=now)


def stored(folder: Storage, since: float) -> Iterator[Recorded]:
    """The payloads in a storage, accepted at `since` (Unix seconds) or later, in the order of
    acceptance: from the relay that runs on it, or from the storage if none runs. Raises NoPayloads.
    """
    after = 0
    while page := _page(folder, ListPayloads(since, after)):
        for each in page:
            if each.accepted_at >= since:
                yield Recorded(each.accepted_at, _decoded(folder, each))
        after = page[-1].number


def _page(folder: Storage, request: ListPayloads) -> tuple[StoredPayload, ...]:
    try:
        answer = ask(folder, request)
    except CannotStart as error:
        raise NoPayloads(f"{error}, or name payloads with {_ELSEWHERE}") from None
    if isinstance(answer, StoredPayloads):
        return answer.payloads
    why = answer.why if isinstance(answer, Failed | Refused) else "unexpected answer"
    raise NoPayloads(f"cannot read the stored payloads: {why}")


def _decoded(folder: Storage, each: StoredPayload) -> Notification:
    try:
        return _notification(each.body)
    except msgspec.DecodeError as error:
        raise NoPayloads(f"cannot read payload {each.number} of {folder}: {error}") from None


def firing_groups(url: str) -> list[Body]:
    """The groups of alerts that fire now, neither silenced nor inhibited, as webhook bodies. Raises
    NoPayloads.
    """
    query = "api/v2/alerts/groups?active=true&silenced=false&inhibited=false&muted=false"
    groups = asyncio.run(_fetch(f"{url.rstrip('/')}/{query}"))
    try:
        return [_body(group) for group in groups if group["alerts"]]
    except (KeyError, TypeError, AttributeError):
        raise NoPayloads(f"{url} does not answer as an Alertmanager does") from None


def firing_now(url: str) -> Iterator[Recorded]:
    """The alerts that fire now, each once, as if they had come now. Raises NoPayloads."""
    alerts: dict[str, object] = {}
    for body in firing_groups(url):
        alerts |= {alert["fingerprint"]: alert for alert in body["alerts"]}
    body = {"version": "4", "status": "firing", "alerts": list(alerts.values())}
    now = time.time()
    yield from (Recorded(now, each.notification) for each in recorded([body], "", url))


def _body(group: Body) -> Body:
    """The webhook body that Alertmanager would post for a group of its API."""
    alerts = [
        {
            "status": "firing",
            "labels": each["labels"],
            "annotations": each["annotations"],
            "startsAt": each["startsAt"],
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": each.get("generatorURL", ""),
            "fingerprint": each["fingerprint"],
        }
        for each in group["alerts"]
    ]
    labels = group["labels"]
    key = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
    return {
        "version": "4",
        "receiver": group["receiver"]["name"],
        "status": "firing",
        "groupKey": "{}:{" + key + "}",
        "groupLabels": labels,
        "commonLabels": _common(alerts, "labels"),
        "commonAnnotations": _common(alerts, "annotations"),
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": alerts,
    }


def _common(alerts: list[Body], key: str) -> Body:
    first, *others = (each[key] for each in alerts)
    return {
        name: value for name, value in first.items() if all(o.get(name) == value for o in others)
    }


async def _fetch(url: str) -> list[Body]:
    import aiohttp  # noqa: PLC0415 - files do not need it

    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            if response.status != _ANSWERED:
                raise NoPayloads(f"{response.url.origin()} answers {response.status}")
            found = await response.json()
    except aiohttp.ClientConnectorError as error:
        number = error.errno or 0  # that of a name that is not found is negative
        why = os.strerror(number) if number > 0 else str(error.strerror)
        where = f"{error.host}:{error.port}"
        raise NoPayloads(f"cannot ask the Alertmanager at {where}: {why}") from None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise NoPayloads(f"cannot ask the Alertmanager: {why}") from None
    return found if isinstance(found, list) else []
