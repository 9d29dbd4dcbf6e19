"""A silence that was asked for: one for one action, whatever calls, peers and crashes do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.action.silence import (
    PATIENCE,
    Answer,
    ApiRefused,
    ApiUnavailable,
    ApiUnknown,
    Call,
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
    commented,
    gives_up,
    is_of,
    next_call,
)
from relay.core.action.take import Holder
from relay.core.routing.matcher import Matcher

ANNA = Holder("Anna", "Anna")
LABELS = {"alertname": "A"}
MATCHERS = (Matcher("alertname", "=", "A"),)
ASKED = Silencing(
    "a1b2", "", "silence", ANNA, 100.0, ("k",), (LABELS,), MATCHERS, 3600.0, "A: by Anna", due=100.0
)
POSTS = NewSilence(MATCHERS, 100.0, 3700.0, "Anna", "A: by Anna [alert-relay a1b2]")


def test_the_way_of_a_good_one() -> None:
    assert next_call(ASKED, 99.0) is None
    assert next_call(ASKED, 100.0) == Count(MATCHERS)
    counted = answered(ASKED, Count(MATCHERS), Counted((LABELS,)), 100.0)
    call = next_call(counted, 100.0)
    assert call == Write(POSTS)
    sent = begun(counted, call, "http://am-1", 100.0)
    assert (sent.peer, sent.posted_at, sent.state) == ("http://am-1", 100.0, "asked")
    done = answered(sent, call, Written("id-1"), 100.2)
    assert (done.state, done.silence_id, done.until, done.due) == ("done", "id-1", 3700.0, None)
    assert next_call(done, 1e9) is None


def test_after_a_crash_the_action_is_looked_for_where_it_was_posted() -> None:
    sent = begun(replace(ASKED, phase="post"), Write(POSTS), "http://am-1", 100.0)
    assert next_call(sent, 101.9) is None  # the peer is given the time to have it
    assert next_call(sent, 102.0) == Find("a1b2")
    found = answered(sent, Find("a1b2"), FoundSilence("id-1", 3700.0), 102.0)
    assert (found.state, found.silence_id) == ("done", "id-1")
    again = answered(sent, Find("a1b2"), NotFound(), 102.0)
    assert isinstance(next_call(again, 102.0), Write)


def test_an_unknown_answer_is_looked_for_and_a_refused_connection_may_go_elsewhere() -> None:
    sent = begun(replace(ASKED, phase="post"), Write(POSTS), "http://am-1", 100.0)
    unknown = answered(sent, Write(POSTS), ApiUnknown("time-out"), 110.0)
    assert (unknown.phase, unknown.peer) == ("find", "http://am-1")
    elsewhere = answered(sent, Write(POSTS), ApiUnavailable("refused"), 100.0)
    assert (elsewhere.phase, elsewhere.peer) == ("post", "")
    # the peer that may have it cannot be asked: no other one is believed
    waits = answered(unknown, Find("a1b2"), ApiUnavailable("refused"), 120.0)
    assert (waits.phase, waits.peer) == ("find", "http://am-1")


def test_what_would_mute_more_is_refused_with_the_count_without_the_right() -> None:
    other = {"alertname": "A", "pod": "x"}
    refused = answered(ASKED, Count(MATCHERS), Counted((LABELS, other)), 100.0)
    assert (refused.state, refused.why, refused.mutes) == ("refused", "wide", 1)
    allowed = answered(replace(ASKED, wide=True), Count(MATCHERS), Counted((LABELS, other)), 100.0)
    assert (allowed.phase, allowed.mutes) == ("post", 1)


def test_the_end_is_by_alertmanagers_clock_when_the_two_differ() -> None:
    ahead = answered(ASKED, Count(MATCHERS), Counted((LABELS,), 1000.0), 100.0)
    near = answered(ASKED, Count(MATCHERS), Counted((LABELS,), 130.0), 100.0)
    assert (ahead.until, near.until) == (4600.0, 3700.0)


def test_a_refusal_is_final_and_patience_ends() -> None:
    refused = answered(ASKED, Count(MATCHERS), ApiRefused("bad regex"), 100.0)
    assert (refused.state, refused.why) == ("refused", "bad regex")
    late = answered(ASKED, Count(MATCHERS), ApiUnavailable("down"), 100.0)
    assert gives_up(late, 100.0 + PATIENCE - 1) is None
    given_up = gives_up(late, 100.0 + PATIENCE)
    assert given_up
    assert (given_up.state, given_up.why, given_up.due) == ("unknown", "down", None)
    assert gives_up(given_up, 1e9) is None


def test_an_end_is_a_delete_and_one_that_is_over_is_done() -> None:
    end = Silencing(
        "e1", "", "end", ANNA, 100.0, ("k",), silence_id="id-1", phase="delete", due=100.0
    )
    assert next_call(end, 100.0) == Expire("id-1")
    assert answered(end, Expire("id-1"), Expired(), 101.0).state == "done"


class Peer:
    """An Alertmanager as far as it matters here: what was posted to it."""

    def __init__(self) -> None:
        self.silences: list[NewSilence] = []

    def call(self, call: Call, fate: str) -> Answer:
        if fate == "refused connection":
            return ApiUnavailable("refused")
        if fate == "lost before":
            return ApiUnknown("time-out")
        answer = self._do(call)
        return ApiUnknown("time-out") if fate == "lost after" else answer

    def _do(self, call: Call) -> Answer:
        match call:
            case Count():
                return Counted((LABELS,))
            case Find(action):
                found = [each for each in self.silences if is_of(each.comment, action)]
                return FoundSilence("id", found[0].ends_at) if found else NotFound()
            case Write(silence):
                self.silences.append(silence)
                return Written("id")
            case Expire():
                return Expired()


fates = st.sampled_from(["good", "good", "lost after", "lost before", "refused connection"])


@given(st.lists(st.tuples(fates, st.booleans(), st.integers(0, 1)), min_size=1, max_size=40))
def test_no_action_makes_two_silences(story: list[tuple[str, bool, int]]) -> None:
    """Each step is one call; the flag kills the relay between the call and its answer."""
    peers = {"http://a": Peer(), "http://b": Peer()}
    kept, now = ASKED, 100.0
    for fate, killed, choice in story:
        now = max(now, kept.due or now)
        given_up = gives_up(kept, now)
        kept = given_up or kept
        call = next_call(kept, now)
        if call is None:
            break
        address = kept.peer or sorted(peers)[choice]
        kept = begun(kept, call, address, now)
        answer = peers[address].call(call, fate)
        now += 1.0
        if not killed:
            kept = answered(kept, call, answer, now)
    made = sum(len(peer.silences) for peer in peers.values())
    assert made <= 1
    if kept.state == "done":
        assert made == 1


@pytest.mark.parametrize(
    ("comment", "about", "written"),
    [
        ("", "", "[alert-relay a1b2]"),
        ("deploy", "", "deploy [alert-relay a1b2]"),
        (
            "deploy",
            "A, by Anna (telegram 12)",
            "deploy [alert-relay a1b2: A, by Anna (telegram 12)]",
        ),
    ],
)
def test_a_comment_has_the_reason_first_and_is_known_by_the_action(
    comment: str, about: str, written: str
) -> None:
    said = commented(replace(ASKED, comment=comment, about=about))
    assert said == written
    assert is_of(said, "a1b2")
    assert not is_of(said, "a1b")
    assert not is_of(said, "1b2")
