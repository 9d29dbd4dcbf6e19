"""The client of Alertmanager's API, against a local twin that fails as real ones do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from relay.alertmanager import api
from relay.alertmanager.client import AlertmanagerClient
from relay.core.action.reconcile import PeerStatus
from relay.core.action.settings import AlertmanagerConfig, Header
from relay.core.action.silence import (
    ApiRefused,
    ApiUnavailable,
    ApiUnknown,
    Count,
    Counted,
    Expire,
    Expired,
    Find,
    FoundSilence,
    NewSilence,
    NotFound,
    Silencing,
    Write,
    Written,
    answered,
    begun,
    next_call,
)
from relay.core.action.take import Holder
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.delivery.transport import Transport
from relay.platforms.http import Response
from tests.shell.twins import NOW, Twins, two_peers
from tests.twin_alertmanager import Fault

LABELS = {"alertname": "A", "path": 'a+b "c" %2'}
OTHER = {"alertname": "B"}
MATCHERS = (Matcher("alertname", "=", "A"), Matcher("path", "=", 'a+b "c" %2'))
SILENCE = NewSilence(MATCHERS, NOW, NOW + 3600, "Anna", "A: by Anna [alert-relay a1]")


@dataclass
class Pair(Twins):
    """Two peers of one cluster and a client of both."""

    client: AlertmanagerClient


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with two_peers("/am") as twins:
        tenant = (Header("X-Scope-OrgID", Secret("eu")),)
        urls = tuple(f"{url}/" for url in twins.urls)  # as people write them
        config = AlertmanagerConfig("", urls, headers=tenant)
        client = AlertmanagerClient(config, twins.connections.send, twins.clock)
        yield Pair(**vars(twins), client=client)


async def test_a_silence_is_written_found_and_expired(pair: Pair) -> None:
    peer = pair.client.peer
    written = await pair.client.call(Write(SILENCE), peer)
    assert isinstance(written, Written)
    found = await pair.client.call(Find("a1"), peer)
    assert found == FoundSilence(written.silence_id, NOW + 3600)
    assert await pair.client.call(Find("a2"), peer) == NotFound()
    assert await pair.client.call(Expire(written.silence_id), peer) == Expired()
    assert await pair.client.call(Expire(written.silence_id), peer) == Expired()
    (silence,) = pair.twins[0].cluster.silences.values()
    assert (silence.matchers, silence.created_by) == (MATCHERS, "Anna")
    assert silence.state(pair.clock.now) == "expired"
    assert pair.twins[0].headers[0]["X-Scope-OrgID"] == "eu"


async def test_a_login_page_in_front_ends_no_silence(pair: Pair) -> None:
    """The person was told that it had ended."""
    written = await pair.client.call(Write(SILENCE), pair.client.peer)
    assert isinstance(written, Written)
    pair.twins[0].faults.append("page")
    answer = await pair.client.call(Expire(written.silence_id), pair.urls[0] + "/")
    assert isinstance(answer, ApiUnavailable)
    (silence,) = pair.twins[0].cluster.silences.values()
    assert silence.state(pair.clock.now) == "active"


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_page_says_nothing_of_a_silence_whatever_its_status(status: int) -> None:
    page = Response(status, {}, b"\n<!doctype html><title>Log in</title>")
    assert isinstance(api.expired_of(page), ApiUnavailable)
    assert api.expired_of(Response(404, {}, b"")) == Expired()


async def test_what_would_be_muted_is_counted_by_filters_with_any_character(pair: Pair) -> None:
    pair.twins[0].alerts = [LABELS, OTHER]
    counted = await pair.client.call(Count(MATCHERS), pair.client.peer)
    assert isinstance(counted, Counted)
    assert counted.alerts == (LABELS,)
    assert abs(counted.clock - NOW) < 1.0


async def test_a_poll_brings_what_is_suppressed_and_all_silences(pair: Pair) -> None:
    twin = pair.twins[0]
    twin.alerts, twin.inhibited = [LABELS, OTHER, {"alertname": "C"}], {1: "00f"}
    pair.clock.now += 400.0
    await pair.client.call(Write(SILENCE), pair.client.peer)
    poll = await pair.client.poll()
    assert not isinstance(poll, ApiRefused | ApiUnavailable | ApiUnknown)
    assert poll.status == PeerStatus(400.0, "ready", "0.33.1")
    assert [each.labels for each in poll.suppressed] == [LABELS, OTHER]
    assert poll.suppressed[1].inhibited_by == ("00f",)
    (silence,) = poll.silences
    assert poll.suppressed[0].silenced_by == (silence.id,)
    assert (silence.created_by, silence.state, silence.matchers) == ("Anna", "active", MATCHERS)


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("text", ApiRefused("400: a bad thing")),
        ("object", ApiRefused("422: a bad thing")),
        ("empty", ApiRefused("400")),
        ("busy", ApiUnknown("503: Limit of concurrent GET requests reached")),
        ("lost before", ApiUnknown("connection closed")),
        ("lost after", ApiUnknown("connection closed")),
        ("error after", ApiUnknown("500: internal error")),
        ("success without answer", ApiUnknown("the answer has no silence ID")),
        ("page", ApiUnknown("the answer has no silence ID")),
    ],
)
async def test_each_failure_of_a_post_says_whether_it_may_have_been_done(
    pair: Pair, fault: Fault, answer: ApiRefused | ApiUnknown
) -> None:
    pair.twins[0].faults.append(fault)
    assert await pair.client.call(Write(SILENCE), pair.client.peer) == answer
    done = fault in ("lost after", "error after", "success without answer")
    assert bool(pair.twins[0].cluster.silences) is done


@pytest.mark.parametrize("fault", ["busy", "lost before", "page", "text", "object", "empty"])
@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_failing_read_proves_nothing(pair: Pair, fault: Fault, at: int) -> None:
    """Each of the three calls of a poll; a GET that is cut off is tried once more by aiohttp."""
    pair.twins[0].faults += [*[None] * at, fault, fault]
    answer = await pair.client.poll()
    assert isinstance(answer, ApiUnavailable | ApiRefused)
    if isinstance(answer, ApiUnavailable):
        assert pair.client.peer.startswith(pair.urls[1])


async def test_a_peer_that_cannot_be_reached_makes_room_for_the_next(pair: Pair) -> None:
    await pair.servers[0].close()
    first = await pair.client.call(Write(SILENCE), pair.client.peer)
    assert first == ApiUnavailable("connection refused")
    assert isinstance(await pair.client.call(Write(SILENCE), pair.client.peer), Written)
    assert len(pair.twins[1].cluster.silences) == 1


@pytest.mark.parametrize("old", [True, False])
async def test_a_silence_that_is_not_there_is_over(pair: Pair, *, old: bool) -> None:
    pair.twins[0].old = old
    assert await pair.client.call(Expire("x"), pair.client.peer) == Expired()
    longer = replace(SILENCE, id="x")
    assert await pair.client.call(Write(longer), pair.client.peer) == NotFound()


async def test_a_silence_is_made_longer_under_the_same_id(pair: Pair) -> None:
    written = await pair.client.call(Write(SILENCE), pair.client.peer)
    assert isinstance(written, Written)
    longer = replace(SILENCE, id=written.silence_id, ends_at=NOW + 7200)
    assert await pair.client.call(Write(longer), pair.client.peer) == written
    assert len(pair.twins[0].cluster.silences) == 1


async def test_what_one_peer_wrote_is_looked_for_there_while_gossip_is_late(pair: Pair) -> None:
    """The answer is lost; the other peer, asked at once, would not know of the silence."""
    pair.twins[0].alerts = [LABELS]
    asked = Silencing(
        "a1",
        "",
        "silence",
        Holder("Anna", "Anna"),
        NOW,
        ("k",),
        (LABELS,),
        MATCHERS,
        3600.0,
        due=NOW,
    )
    pair.twins[0].faults += [None, "lost after"]
    silencing = asked
    for _ in range(6):
        pair.clock.now = max(pair.clock.now, silencing.due or 0.0)
        call = next_call(silencing, pair.clock.now)
        if call is None:
            break
        peer = pair.client.peer_for(silencing.peer)
        silencing = begun(silencing, call, peer, pair.clock.now)
        answer = await pair.client.call(call, peer)
        silencing = answered(silencing, call, answer, pair.clock.now)
    assert silencing.state == "done"
    assert len(pair.twins[0].cluster.silences) == 1
    assert not any(call.startswith("POST") for call in pair.twins[1].calls)


async def test_an_answer_that_is_cut_at_the_bound_is_none(pair: Pair) -> None:
    small = Transport(2.0, 10.0, 1000)
    client = AlertmanagerClient(AlertmanagerConfig("", pair.urls), small.send, pair.clock)
    pair.twins[0].alerts = [{"alertname": "A", "n": str(n)} for n in range(100)]
    assert isinstance(await client.call(Count(MATCHERS[:1]), client.peer), ApiUnavailable)
    await small.close()
