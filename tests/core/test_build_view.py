"""What a template is told of a card that comes late: how late, and why."""

import pytest
from msgspec.structs import replace

from relay.core.card.lane_state import LaneState
from relay.core.card.step import Post
from relay.core.card.view import Late
from relay.core.template.build_view import LATE_AFTER, Pace, build_view
from tests.build import POLICY, T0, card, entry

NOW = T0 + 1000


@pytest.mark.parametrize(
    ("state", "late"),
    [
        (LaneState(), Late(1000, "restarted", T0, NOW)),
        (
            LaneState(trouble="unreachable", trouble_since=T0 + 10),
            Late(1000, "unreachable", T0 + 10, NOW),
        ),
        (
            LaneState(trouble="unreachable", trouble_since=T0 - 99),
            Late(1000, "unreachable", T0, NOW),
        ),
        (
            LaneState(trouble="rate_limited", trouble_since=T0 + 10, trouble_until=T0 + 700),
            Late(1000, "rate_limited", T0 + 10, T0 + 700),
        ),
        (
            LaneState(trouble="refused", trouble_since=T0 + 5, trouble_until=T0 + 700),
            Late(1000, "refused", T0 + 5, T0 + 700),
        ),
        (
            LaneState(trouble="unreachable", trouble_since=T0 - 900, trouble_until=T0 - 500),
            Late(1000, "restarted", T0, NOW),
        ),
    ],
    ids=[
        "no trouble known",
        "trouble began after",
        "trouble began before",
        "trouble is over",
        "the chat was down",
        "an old trouble",
    ],
)
def test_a_late_card_says_why(state: LaneState, late: Late) -> None:
    waiting = replace(card(), entries=(entry(),), waiting_since=T0)
    assert build_view(waiting, state, Post(silent=False), POLICY, NOW).late == late


def test_a_card_within_two_minutes_is_not_late() -> None:
    waiting = replace(card(), entries=(entry(),), waiting_since=NOW - LATE_AFTER)
    assert build_view(waiting, LaneState(), Post(silent=False), POLICY, NOW).late is None


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        (tuple(T0 + at for at in range(-500, 1000, 4)), "pace"),
        (tuple(T0 + at for at in range(0, 1000, 6)), "pace"),
        (tuple(T0 + at for at in range(0, 1000, 10)), "restarted"),
        (tuple(T0 + at for at in range(-9000, 0, 3)), "restarted"),
        ((), "restarted"),
    ],
    ids=["busy", "half busy", "hardly busy", "busy before", "just begun"],
)
def test_the_chats_own_limit_is_why_where_it_got_what_it_takes(
    calls: tuple[float, ...], why: str
) -> None:
    waiting = replace(card(), entries=(entry(),), waiting_since=T0)
    found = build_view(
        waiting, LaneState(), Post(silent=False), POLICY, NOW, pace=Pace(20, calls)
    ).late
    assert found == Late(1000, why, T0, NOW, 20 if why == "pace" else 0)  # type: ignore[arg-type]


def test_trouble_goes_before_the_chats_own_limit() -> None:
    waiting = replace(card(), entries=(entry(),), waiting_since=T0)
    state = LaneState(trouble="unreachable", trouble_since=T0 + 10)
    pace = Pace(20, tuple(T0 + at for at in range(1000)))
    found = build_view(waiting, state, Post(silent=False), POLICY, NOW, pace=pace).late
    assert found is not None
    assert found.why == "unreachable"
