"""Discord's Gateway: what each message asks for, and what follows the end of a connection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.secret import Secret
from relay.platforms.discord.gateway import (
    DAY,
    FATAL,
    MOST_IDENTIFIES,
    GatewayAct,
    GatewayClose,
    GatewayEnded,
    GatewayLink,
    GatewayReady,
    GatewayReceive,
    GatewayReconnect,
    GatewaySend,
    GatewaySession,
    address,
    closed,
    heard,
    timed,
)

TOKEN = Secret("canary-token")
SESSION = GatewaySession("s1", "wss://resume.example", 7, (100.0,))
KNOWN = GatewayLink(SESSION)
HELLO = {"op": 10, "d": {"heartbeat_interval": 41250}}


def after(link: GatewayLink, body: object) -> tuple[GatewayLink, tuple[GatewayAct, ...]]:
    return heard(link, json.dumps(body), TOKEN, 1000.0)


def said(act: GatewayAct) -> dict[str, object]:
    assert isinstance(act, GatewaySend)
    found = json.loads(act.text.reveal())
    assert isinstance(found, dict)
    return found


def test_a_new_session_is_begun_without_intents() -> None:
    link, (act,) = after(GatewayLink(), HELLO)
    assert link.interval == 41.25
    body = said(act)
    assert body["op"] == 2
    assert isinstance(body["d"], dict)
    assert (body["d"]["token"], body["d"]["intents"]) == ("canary-token", 0)
    assert link.session.identified == (1000.0,)
    assert "canary" not in repr(act)


def test_a_known_session_is_resumed_where_it_was() -> None:
    link, (act,) = after(KNOWN, HELLO)
    data = {"token": "canary-token", "session_id": "s1", "seq": 7}
    assert said(act) == {"op": 6, "d": data}
    assert link.session.identified == (100.0,)
    assert address(KNOWN, "wss://gateway.example") == "wss://resume.example/?v=10&encoding=json"
    assert address(GatewayLink(), "wss://gw.example/") == "wss://gw.example/?v=10&encoding=json"


def test_ready_gives_session_application_and_where_to_resume() -> None:
    told = {
        "session_id": "s2",
        "resume_gateway_url": "wss://other.example",
        "application": {"id": "9"},
    }
    link, acts = after(GatewayLink(), {"op": 0, "t": "READY", "s": 1, "d": told})
    assert acts == (GatewayReady("9"),)
    assert link.session == GatewaySession("s2", "wss://other.example", 1)
    strange = {**told, "resume_gateway_url": "http://evil.example"}
    link, _ = after(GatewayLink(), {"op": 0, "t": "READY", "s": 1, "d": strange})
    assert link.session.resume_url == ""


def test_an_interaction_is_heard_and_its_sequence_kept() -> None:
    link, acts = after(KNOWN, {"op": 0, "t": "INTERACTION_CREATE", "s": 8, "d": {"id": "1"}})
    assert acts == (GatewayReceive({"id": "1"}),)
    assert link.session.seq == 8
    assert after(KNOWN, {"op": 0, "t": "GUILD_CREATE", "s": 9, "d": {}})[1] == ()


def test_a_heartbeat_is_sent_when_asked_and_when_it_is_time() -> None:
    link, (asked,) = after(KNOWN, {"op": 1})
    assert said(asked) == {"op": 1, "d": 7}
    link, act = timed(KNOWN)
    assert isinstance(act, GatewaySend)
    assert not link.acked
    assert timed(link)[1] == GatewayClose()  # the last one was not answered
    link, _ = after(link, {"op": 11})
    assert isinstance(timed(link)[1], GatewaySend)


@pytest.mark.parametrize(
    ("body", "session"),
    [
        ({"op": 7}, SESSION),
        ({"op": 9, "d": True}, SESSION),
        ({"op": 9, "d": False}, GatewaySession(identified=(100.0,))),
    ],
)
def test_discord_may_ask_to_connect_again(body: object, session: GatewaySession) -> None:
    link, acts = after(KNOWN, body)
    assert acts == (GatewayClose(),)
    assert link.session == session
    assert GatewayClose().code not in (1000, 1001)


@pytest.mark.parametrize("code", sorted(FATAL))
def test_some_ends_are_final_and_name_their_remedy(code: int) -> None:
    _, then = closed(KNOWN, code, 1000.0, 0.5)
    assert isinstance(then, GatewayEnded)
    assert then.why
    assert then.remedy


@pytest.mark.parametrize(
    ("code", "resumes"),
    [(None, True), (1000, True), (4000, True), (4008, True), (4007, False), (4009, False)],
)
def test_after_other_ends_it_goes_on(code: int | None, *, resumes: bool) -> None:
    link, then = closed(KNOWN, code, 1000.0, 0.5)
    assert isinstance(then, GatewayReconnect)
    assert (link.session == SESSION) is resumes
    assert link.session.identified == (100.0,)


def test_pauses_grow_while_connections_come_to_nothing() -> None:
    link, waits = GatewayLink(), list[float]()
    for _ in range(12):
        link, then = closed(link, None, 1000.0, 1.0)
        assert isinstance(then, GatewayReconnect)
        waits.append(then.wait)
    assert waits == sorted(waits)
    assert waits[0] == 2.0
    assert waits[-1] == 120.0
    link, then = closed(replace(link, ready=True), None, 1000.0, 1.0)
    assert then == GatewayReconnect(0.2)


def test_no_more_sessions_are_begun_than_discord_gives_in_a_day() -> None:
    used = GatewaySession(identified=tuple(float(at) for at in range(MOST_IDENTIFIES)))
    _, then = closed(GatewayLink(used), None, 1000.0, 0.0)
    assert then == GatewayReconnect(DAY - 1000.0)
    resumable = replace(used, session="s", resume_url="wss://x", seq=1)
    _, then = closed(GatewayLink(resumable), None, 1000.0, 0.0)
    assert isinstance(then, GatewayReconnect)
    assert then.wait < 2.0


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["op", "d", "s", "t", "session_id"]), inner, max_size=4)
    ),
)


@given(odd, st.sampled_from([0, 1, 7, 9, 10, 11, 99]))
def test_whatever_is_said_nothing_is_raised(body: object, op: int) -> None:
    after(KNOWN, body)
    after(KNOWN, {"op": op, "d": body, "s": body, "t": body})


@given(st.binary(max_size=50))
def test_whatever_bytes_come_nothing_is_raised(data: bytes) -> None:
    assert heard(KNOWN, data, TOKEN, 0.0)[0].session.session == "s1"
