"""The life of a card as a timetable: seconds from the beginning, one Telegram group with its real
limits.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from relay.core.event import Contradicted
from relay.core.routing.lane import Policy
from tests.acceptance.timetable import Timetable, between, edit, post, reply
from tests.build import POLICY

MINUTE, HOUR = 60.0, 3600.0
PEER = "https://alertmanager-2.example.org"


def an_alert_joins_and_all_resolve(t: Timetable) -> None:
    t.at(1, t.fire("disk", "a"))
    t.expect(between(1, 2), post("warning Disk"))
    t.at(3, t.fire("disk", "a", "b"))
    t.expect(between(3, 4), reply("➕ warning Disk · b · 2 firing now"))
    t.expect(between(3, 6), edit("Disk ×2"))
    t.at(60, t.resolve("disk", "a", left=("b",)))
    t.expect(between(60, 61), edit("🟢 a"))
    t.at(120, t.resolve("disk", "b"))
    t.expect(between(120, 121), edit("🟢 resolved Disk"))
    t.expect(between(120, 123), reply("🟢 resolved after 1\u00a0min", loud=False))


def a_repeat_is_one_line_with_sound(t: Timetable) -> None:
    t.at(1, t.fire("disk", "a"))
    t.expect(between(1, 2), post("warning Disk"))
    t.at(4 * HOUR + 1, t.fire("disk", "a", reason="repeat interval elapsed"))
    t.expect(
        between(4 * HOUR + 1, 4 * HOUR + 2),
        reply("🔁 warning Disk · a · still firing after 4\u00a0h"),
    )


def a_second_alertmanager_of_the_cluster_changes_nothing(t: Timetable) -> None:
    t.at(1, t.fire("disk", "a", "b"))
    t.expect(between(1, 2), post("Disk ×2"))
    t.at(16, t.fire("disk", "b", "a", url=PEER, reason="new alerts added"))
    t.at(60, t.resolve("disk", "a", "b"))
    t.expect(between(60, 61), edit("🟢 resolved Disk"))
    t.expect(between(60, 63), reply("🟢 resolved", loud=False))
    t.at(75, t.resolve("disk", "b", "a", url=PEER))


def a_late_snapshot_of_a_peer_is_held_until_it_is_contradicted(t: Timetable) -> None:
    t.at(1, t.fire("disk", "a"))
    t.expect(between(1, 2), post("warning Disk"))
    t.at(60, t.resolve("disk", "a"))
    t.expect(between(60, 61), edit("🟢 resolved Disk"))
    t.expect(between(60, 63), reply("🟢 resolved", loud=False))
    t.at(75, t.fire("disk", "a", url=PEER))
    t.at(90, t.resolve("disk", "a", url=PEER))


def it_fires_again(t: Timetable) -> None:
    t.at(0, t.fire("disk", "a"))
    t.expect(between(0, 1), post("warning Disk"))
    t.at(5 * MINUTE, t.resolve("disk", "a"))
    t.expect(between(5 * MINUTE, 5 * MINUTE + 1), edit("🟢 resolved Disk"))
    t.expect(between(5 * MINUTE, 5 * MINUTE + 3), reply("resolved after 5\u00a0min", loud=False))
    t.at(10 * MINUTE, t.fire("disk", "a", at=10 * MINUTE))
    t.expect(between(10 * MINUTE, 10 * MINUTE + 1), post("second time in 10\u00a0min"))


def an_alert_is_silenced(t: Timetable) -> None:
    t.at(0, t.fire("disk", "a", "b"))
    t.expect(between(0, 1), post("Disk ×2"))
    t.at(60, t.fire("disk", "a"))
    t.expect(between(105, 106), edit("⚪ b"))


def the_chat_is_out_of_reach_for_ten_minutes(t: Timetable) -> None:
    t.fault(0, 10 * MINUTE, "502")
    t.at(1, t.fire("disk", "a"))
    t.at(2 * MINUTE, t.fire("disk", "a", "b"))
    t.expect(between(10 * MINUTE, 16 * MINUTE), post("Disk ×2"))


def fired_and_over_while_the_chat_was_out_of_reach(t: Timetable) -> None:
    t.fault(0, 10 * MINUTE, "502")
    t.at(1, t.fire("disk", "a"))
    t.at(2 * MINUTE, t.resolve("disk", "a"))
    t.expect(between(10 * MINUTE, 16 * MINUTE), post("resolved", loud=False))


def a_flapping_alert_while_the_chat_is_out_of_reach_is_one_message(t: Timetable) -> None:
    t.fault(0, 10 * MINUTE, "502")
    t.at(1, t.fire("disk", "a"))
    t.at(2 * MINUTE, t.resolve("disk", "a"))
    t.at(4 * MINUTE, t.fire("disk", "a", at=4 * MINUTE))
    t.expect(between(10 * MINUTE, 16 * MINUTE), post("warning Disk"))


def a_resolve_whose_firing_was_never_seen(t: Timetable) -> None:
    t.at(1, t.resolve("disk", "a"))
    t.expect(between(1, 2), post("🟢 resolved Disk", loud=False))


@pytest.mark.parametrize(
    "timetable",
    [
        an_alert_joins_and_all_resolve,
        a_repeat_is_one_line_with_sound,
        a_second_alertmanager_of_the_cluster_changes_nothing,
        a_late_snapshot_of_a_peer_is_held_until_it_is_contradicted,
        it_fires_again,
        an_alert_is_silenced,
        the_chat_is_out_of_reach_for_ten_minutes,
        fired_and_over_while_the_chat_was_out_of_reach,
        a_flapping_alert_while_the_chat_is_out_of_reach_is_one_message,
        a_resolve_whose_firing_was_never_seen,
    ],
    ids=lambda written: written.__name__,
)
async def test_the_chat_keeps_the_timetable(timetable: Callable[[Timetable], None]) -> None:
    table = Timetable()
    timetable(table)
    await table.run(until=8 * HOUR)


async def test_without_send_resolved_the_card_turns_and_nothing_is_said() -> None:
    policy: Policy = replace(POLICY, send_resolved=False)
    t = Timetable(policy)
    t.at(0, t.fire("disk", "a"))
    t.expect(between(0, 1), post("warning Disk"))
    t.at(60, t.resolve("disk", "a"))
    t.expect(between(60, 61), edit("🟢 resolved Disk"))
    await t.run(until=HOUR)


async def test_a_card_for_each_alert_when_the_receiver_wants_it() -> None:
    t = Timetable(replace(POLICY, per="alert"))
    t.at(0, t.fire("disk", "a", "b"))
    t.expect(between(0, 1), post("a is nearly full"))
    t.expect(between(0, 3), post("b is nearly full"))
    t.at(60, t.resolve("disk", "a", left=("b",)))
    t.expect(between(60, 61), edit("🟢 resolved Disk"))
    t.expect(between(60, 63), reply("🟢 resolved after 1\u00a0min", loud=False))
    await t.run(until=HOUR)


async def test_a_group_that_nobody_posts_any_more_turns_stale_without_a_sound() -> None:
    t = Timetable()
    t.at(0, t.fire("disk", "a"))
    t.expect(between(0, 1), post("warning Disk"))
    t.expect(
        between(25 * HOUR, 25 * HOUR + 1),
        edit("no report of this group for 1\u00a0d\u00a01\u00a0h"),
    )
    t.expect(between(31 * HOUR, 31 * HOUR + 1), edit("⚪ no longer reported Disk"))
    await t.run(until=40 * HOUR)


@pytest.mark.parametrize(("peer", "contradicted"), [(PEER, 1), ("", 0)])
async def test_two_alertmanagers_that_go_on_contradicting_each_other_are_told(
    peer: str, contradicted: int
) -> None:
    t = Timetable()
    t.at(0, t.fire("disk", "a"))
    t.expect(between(0, 1), post("warning Disk"))
    t.at(60, t.resolve("disk", "a"))
    t.expect(between(60, 61), edit("🟢 resolved Disk"))
    t.expect(between(60, 63), reply("🟢 resolved", loud=False))
    t.at(75, t.fire("disk", "a", url=peer))
    t.expect(between(120, 121), post("warning Disk"))
    await t.run(until=600)
    assert (
        len([event for event in t.world.events if isinstance(event, Contradicted)]) == contradicted
    )
