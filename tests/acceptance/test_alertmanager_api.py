"""The client and a real Alertmanager: what it writes, amtool shows, and the other way round."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from relay.alertmanager.client import AlertmanagerClient, transport
from relay.core.action.matchers import CannotSilence, silence_matchers
from relay.core.action.reconcile import Poll, Suppressed, reconcile
from relay.core.action.settings import AlertmanagerConfig
from relay.core.action.silence import (
    Expire,
    Expired,
    Find,
    FoundSilence,
    NewSilence,
    Silencing,
    Write,
    Written,
    answered,
    begun,
    next_call,
)
from relay.core.action.take import Holder
from relay.core.alert import alert_key
from relay.delivery.transport import Transport
from tests.acceptance.processes import (
    Processes,
    amtool,
    free_port,
    processes,
    start_alertmanager,
    until,
)

pytestmark = pytest.mark.alertmanager

POD_A = {"alertname": "Crash", "namespace": "web", "pod": "a-1.x", "severity": "critical"}
POD_B = {**POD_A, "pod": 'b/2 ("q" + 50%)'}
OTHER = {**POD_A, "pod": "c-3"}
ANNA = Holder("Anna", "Anna")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes(tmp_path) as found:
        yield found


@pytest.fixture
async def connections() -> AsyncIterator[Transport]:
    found = transport()
    yield found
    await found.close()


async def fire(url: str, *alerts: dict[str, str]) -> None:
    now = datetime.now(UTC).isoformat()
    body = [{"labels": labels, "startsAt": now} for labels in alerts]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v2/alerts", json=body) as response,
    ):
        assert response.status == 200, await response.text()


def asking(*labels: dict[str, str], seconds: float = 3600.0, wide: bool = False) -> Silencing:
    matchers = silence_matchers(labels, {}, wide=wide)
    assert not isinstance(matchers, CannotSilence)
    now = time.time()
    keys = tuple(alert_key(each) for each in labels)
    comment, about = "deploy", "Crash, by Anna (telegram 12)"
    return Silencing(
        "act1", "", "silence", ANNA, now, keys, labels, matchers, seconds, comment, about, due=now
    )


async def carried_out(client: AlertmanagerClient, silencing: Silencing) -> Silencing:
    """All calls of it, one after the other."""
    for _ in range(4):
        call = next_call(silencing, max(time.time(), silencing.due or 0.0))
        if call is None:
            break
        peer = client.peer_for(silencing.peer)
        silencing = begun(silencing, call, peer, time.time())
        silencing = answered(silencing, call, await client.call(call, peer), time.time())
    return silencing


async def suppressed(client: AlertmanagerClient, *labels: dict[str, str]) -> dict[str, Suppressed]:
    poll = await client.poll()
    assert isinstance(poll, Poll), poll
    shown = {alert_key(each): each for each in labels}
    return dict(reconcile(shown, {}, poll, {}, time.time()).suppressed)


async def test_a_silence_of_two_pods_mutes_these_and_amtool_shows_it(
    running: Processes, connections: Transport
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    client = AlertmanagerClient(AlertmanagerConfig("", (url,)), connections.send, time.time)
    await fire(url, POD_A, POD_B, OTHER)
    done = await carried_out(client, asking(POD_A, POD_B))
    assert (done.state, done.why) == ("done", "")
    (shown,) = json.loads(await amtool(url, "silence", "query", "-o", "json"))
    assert (shown["id"], shown["createdBy"]) == (done.silence_id, "Anna")
    assert shown["comment"] == "deploy [alert-relay act1: Crash, by Anna (telegram 12)]"
    found = await suppressed(client, POD_A, POD_B, OTHER)
    assert set(found) == {alert_key(POD_A), alert_key(POD_B)}
    end = Silencing(
        "act2", "", "end", ANNA, time.time(), (), silence_id=done.silence_id, phase="delete"
    )
    assert (await carried_out(client, end)).state == "done"
    assert (await carried_out(client, end)).state == "done"  # the second end is none
    assert json.loads(await amtool(url, "silence", "query", "-o", "json")) == []
    assert await suppressed(client, POD_A, POD_B, OTHER) == {}


async def test_what_amtool_silences_is_read_with_creator_comment_and_end(
    running: Processes, connections: Transport
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    client = AlertmanagerClient(AlertmanagerConfig("", (url,)), connections.send, time.time)
    await fire(url, POD_A)
    await amtool(url, "silence", "add", "-a", "Ben", "-c", "deploy", "-d", "1h", 'namespace=~"w.*"')
    (only,) = (await suppressed(client, POD_A)).values()
    said = only.kind, only.by, only.comment
    assert said == ("silenced", "Ben", "deploy")
    assert 3500 < only.until - time.time() < 3700


async def test_what_would_mute_more_is_refused_with_the_count(
    running: Processes, connections: Transport
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    client = AlertmanagerClient(AlertmanagerConfig("", (url,)), connections.send, time.time)
    crossed = [{**POD_A, "container": c, "pod": p} for c, p in (("x", "1"), ("y", "2"), ("x", "2"))]
    await fire(url, *crossed)
    refused = await carried_out(client, asking(*crossed[:2]))
    assert (refused.state, refused.why, refused.mutes) == ("refused", "wide", 1)
    assert json.loads(await amtool(url, "silence", "query", "-o", "json")) == []


async def test_of_a_pair_one_is_written_to_and_a_lost_answer_makes_no_second_silence(
    running: Processes, connections: Transport
) -> None:
    first_port, second_port = free_port(), free_port()
    first, second = (f"127.0.0.1:{port}" for port in (first_port, second_port))
    urls = (
        await start_alertmanager(running, "http://127.0.0.1:9/a", cluster=(first,)),
        await start_alertmanager(running, "http://127.0.0.1:9/a", cluster=(second, first)),
    )
    client = AlertmanagerClient(AlertmanagerConfig("", urls), connections.send, time.time)
    await fire(urls[0], POD_A)
    asked = await carried_out(client, asking(POD_A))
    assert asked.peer == urls[0]
    # as after a kill between the POST and its answer: it is looked for before a second try
    again = begun(asking(POD_A), Write(_silence(asked)), urls[0], time.time() - 10.0)
    found = await carried_out(client, again)
    assert (found.state, found.silence_id) == ("done", asked.silence_id)

    async def gossiped() -> bool:
        return len(json.loads(await amtool(urls[1], "silence", "query", "-o", "json"))) == 1

    await until("the other peer has the silence", gossiped)


async def test_a_silence_is_made_longer_and_its_id_is_the_one_that_comes_back(
    running: Processes, connections: Transport
) -> None:
    url = await start_alertmanager(running, "http://127.0.0.1:9/alerts")
    client = AlertmanagerClient(AlertmanagerConfig("", (url,)), connections.send, time.time)
    await fire(url, POD_A)
    short = await carried_out(client, asking(POD_A, seconds=600.0))
    silence = NewSilence(
        short.matchers,
        time.time(),
        time.time() + 7200,
        "Anna",
        "[alert-relay act2]",
        short.silence_id,
    )
    longer = await client.call(Write(silence), url)
    assert isinstance(longer, Written)
    (shown,) = json.loads(await amtool(url, "silence", "query", "-o", "json"))
    assert shown["id"] == longer.silence_id
    assert isinstance(await client.call(Find("act2"), url), FoundSilence)
    assert await client.call(Expire("00000000-0000-4000-8000-000000000000"), url) == Expired()


def _silence(silencing: Silencing) -> NewSilence:
    return NewSilence(
        silencing.matchers, time.time(), silencing.until, "Anna", "[alert-relay act1]"
    )
