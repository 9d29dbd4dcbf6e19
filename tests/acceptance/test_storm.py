"""Too much at once: what a chat shows when it cannot take a message for each group."""

import re
from functools import partial

import pytest
from msgspec.structs import replace

from relay.core.alert import Alert, GroupId
from relay.core.budget import Limits, Rate
from relay.core.card.digest import DIGEST
from relay.core.routing.matcher import parse
from tests.build import T0, alert, notification
from tests.need import share
from tests.world import CHAT, GROUP_CHAT, World, telegram_target

DAY = 86_400.0
ONE_A_SECOND = Limits({"telegram": {"chat": Rate(1, 1.0), "group": Rate(1000, 60.0)}})


def group(number: int) -> GroupId:
    return GroupId("", "relay", f"{{}}:{number}")


def problem(number: int, *, critical: bool = False, over: bool = False) -> Alert:
    return alert(
        f"host-{number}",
        "resolved" if over else "firing",
        severity="critical" if critical else "warning",
        name=f"Problem{number % 7}" if not critical else f"Fire{number}",
        at=T0 + number / 100,
        ends=T0 + 500,
    )


async def storm(world: World, count: int, criticals: int = 0) -> None:
    for number in range(count):
        world.now = T0 + 2 * number / count
        await world.post(
            notification(problem(number, critical=number >= count - criticals), group=group(number))
        )


@pytest.mark.parametrize(
    "limits", [Limits(), ONE_A_SECOND], ids=["telegram's own limits", "one a second"]
)
async def test_200_groups_in_two_seconds_are_a_few_criticals_and_one_digest(limits: Limits) -> None:
    world = World(telegram_target(), limits=limits)
    await storm(world, 200, criticals=5)
    await world.run(until=62)
    messages = [message.text for message in world.telegram.messages(CHAT)]
    assert all("critical Fire" in text for text in messages[:5])
    assert "200 groups firing · 5 critical, 195 warning" in messages[5]
    assert len(messages) == 6
    assert len(world.telegram.calls) < 30
    (row,) = world.balance()
    assert (row.pending, row.delivered + row.merged) == (0, 200)


async def test_a_digest_follows_its_groups_and_says_when_the_storm_is_over() -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    for number in range(50):
        world.now = T0 + 40 + number / 10
        await world.post(notification(problem(number, over=True), group=group(number)))
    await world.run(until=120)
    (digest,) = world.telegram.messages(CHAT)
    assert "10 groups firing" in digest.text
    assert "50 groups over" in digest.text
    for number in range(50, 60):
        world.now = T0 + 130
        await world.post(notification(problem(number, over=True), group=group(number)))
    await world.run(until=200)
    assert world.telegram.messages(CHAT)[0].text.startswith("🟢 60 groups over")
    assert world.balance()[0].pending == 0


async def test_a_digest_whose_first_call_was_cut_off_says_that_it_may_be_repeated() -> None:
    world = World()
    world.faults.add("telegram", "*", "cut after", count=1)
    await storm(world, 60)
    await world.run(until=60)
    first, second = world.telegram.messages(CHAT)
    assert "may be repeated" not in first.text
    assert "60 groups firing" in second.text
    assert "may be repeated" in second.text


@pytest.mark.medium
async def test_a_digest_after_an_outage_says_how_late_it_is_and_why() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 600)
    await storm(world, 60)
    await world.run(until=1000)
    (digest,) = world.telegram.messages(CHAT)
    assert "60 groups firing" in digest.text
    assert re.search(r"⏱ \d+\u00a0min late: this chat could not be reached from", digest.text)
    world.now = T0 + 1100
    await world.post(notification(problem(1, over=True), group=group(1)))
    await world.run(until=1200)
    (digest,) = world.telegram.messages(CHAT)
    assert "late" not in digest.text
    world.faults.add("telegram", "*", "502", since=T0 + 1200, until=T0 + 1800)
    world.now = T0 + 1210
    await world.post(notification(problem(2, over=True), group=group(2)))
    await world.run(until=2200)
    (digest,) = world.telegram.messages(CHAT)
    assert "58 groups firing" in digest.text
    assert "⏱ 10\u00a0min late" in digest.text


async def test_a_group_of_a_digest_that_turns_urgent_gets_its_own_message() -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    world.now = T0 + 40
    worse = alert("host-3-disk", severity="critical", name="Fire")
    await world.post(notification(problem(3), worse, group=group(3)))
    await world.run(until=100)
    digest, own = world.telegram.messages(CHAT)
    assert "60 groups firing · 1 critical, 59 warning" in digest.text
    assert "critical" in own.text
    assert not own.silent


async def test_a_group_that_fires_anew_after_its_digest_closed_gets_its_own_message() -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    for number in range(60):
        world.now = T0 + 40
        await world.post(notification(problem(number, over=True), group=group(number)))
    await world.run(until=600)
    world.now = T0 + 700
    await world.post(notification(alert("host-3", at=T0 + 690), group=group(3)))
    await world.run(until=800)
    digest, own = world.telegram.messages(CHAT)
    assert digest.text.startswith("🟢 60 groups over")
    assert "warning Disk" in own.text


@pytest.mark.parametrize("began", [0.0, 42.0], ids=["a firing from before", "a new firing"])
async def test_a_group_that_fires_while_its_digest_closes_gets_its_own_message(
    began: float,
) -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    for number in range(60):
        world.now = T0 + 40
        await world.post(
            notification(replace(problem(number, over=True), ends_at=T0 + 39), group=group(number))
        )
    while "60 groups over" not in world.telegram.transcript(CHAT):
        await world.turn(GROUP_CHAT)
    await world.post(notification(alert("host-3", at=T0 + began), group=group(3)))
    await world.run(until=600)
    own = world.telegram.messages(CHAT)[1:]
    assert "warning Disk" in own[0].text
    assert not own[-1].silent


@pytest.mark.parametrize("number", [0, 3], ids=["which fires still", "which was over"])
async def test_a_new_alert_of_a_group_in_an_old_digest_gets_the_group_its_own_message(
    number: int,
) -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    for over in range(1, 60):
        world.now = T0 + 40
        await world.post(notification(problem(over, over=True), group=group(over)))
    await world.run(until=DAY)
    await world.post(notification(problem(0), group=group(0)))  # goes on and on, as a watchdog does
    fresh = alert("host-new", at=T0 + DAY)
    told = (problem(0), fresh) if number == 0 else (fresh,)
    await world.post(notification(*told, group=group(number)))
    await world.run(until=DAY + 60)
    digest, own = world.telegram.messages(CHAT)
    assert "host-new" in own.text
    assert not own.silent
    assert ("59 groups over" if number == 0 else "1 group firing") in digest.text


async def test_what_resolved_before_a_new_digest_is_neither_in_it_nor_kept() -> None:
    world = World()
    await storm(world, 60)
    await world.run(until=30)
    for over in range(1, 60):
        world.now = T0 + 40
        await world.post(notification(problem(over, over=True), group=group(over)))
    await world.run(until=DAY)
    await world.post(notification(problem(0), group=group(0)))  # goes on and on, as a watchdog does
    for number in range(100, 160):
        await world.post(notification(alert(f"host-{number}", at=world.now), group=group(number)))
    await world.run(until=DAY + 60)
    first, second = world.telegram.messages(CHAT)
    assert "59 groups over" in first.text
    assert "61 groups firing" in second.text
    assert "over" not in second.text
    while await world.commit(partial(world.store.purge, T0 + 600, 1 << 30, 200)):
        pass
    assert [number for number in range(60) if world.store.card(GROUP_CHAT, group(number), "")] == [
        0
    ]


async def test_a_group_that_is_no_longer_reported_leaves_the_count_of_its_digest() -> None:
    chosen = replace(telegram_target(), when=parse('alertname=~"Problem.*"'))
    world = World(chosen)
    world.faults.add("telegram", "*", "502", until=T0 + 5)
    await storm(world, 60)
    await world.post(notification(alert("elsewhere", name="Other"), group=group(3)))
    await world.run(until=120)
    (digest,) = world.telegram.messages(CHAT)
    assert "59 groups firing" in digest.text


async def test_a_few_groups_are_told_one_by_one() -> None:
    world = World()
    await storm(world, 10)
    await world.run(until=60)
    assert len(world.telegram.messages(CHAT)) == 10


async def test_after_a_day_without_the_chat_it_shows_the_present_within_its_budget() -> None:
    await _miss_a_day(500)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_after_a_day_of_many_payloads_without_the_chat_it_shows_the_present() -> None:
    await _miss_a_day(max(2_000, share(10_000)))


async def _miss_a_day(count: int) -> None:
    """A chat that cannot be reached for a day takes the present within its budget."""
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + DAY)
    for number in range(count):
        at = DAY / count * number
        world.now = T0 + at
        name = number % 100
        await world.post(
            notification(problem(name, over=number // 100 % 2 == 1), group=group(name))
        )
        await world.run(until=at + 1)
    back = len(world.telegram.calls)
    await world.run(until=DAY + 1000)
    assert len(world.telegram.calls) - back < 60
    assert not [call for call in world.telegram.calls if call.early]
    state = "firing" if (count - 1) // 100 % 2 == 0 else "over"
    told = re.findall(rf"(\d+) groups {state}", world.telegram.transcript(CHAT))
    own = [
        m
        for m in world.telegram.messages(CHAT)
        if not re.search(r"\d+ groups", m.text) and not m.reply_to
    ]
    assert sum(map(int, told)) + len(own) == 100  # cards that paused have messages of their own
    (row,) = world.balance()
    assert (row.accepted, row.pending) == (count, 0)


async def test_a_digest_that_the_platform_refuses_leaves_nothing_pending() -> None:
    world = World()
    world.faults.add("telegram", "*", "refused", until=T0 + 30)
    await storm(world, 60)
    await world.run(until=100)
    assert world.balance()[0].pending == 0


@pytest.mark.parametrize("since", [0, 35], ids=["its first message", "its end"])
async def test_a_digest_that_the_platform_refuses_closes_with_its_last_group_and_all_are_forgotten(
    since: int,
) -> None:
    world = World()
    world.faults.add("telegram", "*", "refused", since=T0 + since, until=T0 + 300)
    await storm(world, 60)
    await world.run(until=40)
    for number in range(60):
        await world.post(notification(problem(number, over=True), group=group(number)))
    await world.run(until=600)
    assert [(row.dead > 0, row.pending) for row in world.balance()] == [(True, 0)]
    while await world.commit(partial(world.store.purge, world.now, 1 << 30, 200)):
        pass
    assert [number for number in range(60) if world.store.card(GROUP_CHAT, group(number), "")] == []
    digest = world.store.card(GROUP_CHAT, DIGEST, "")
    assert digest is not None
    assert digest.closed_at is not None


@pytest.mark.parametrize("edits", [0, 1], ids=["its first message", "an edit"])
async def test_a_digest_that_a_crash_interrupted_is_told_by_the_next_run(edits: int) -> None:
    world = World()
    await storm(world, 60)
    if edits:
        await world.run(until=30)
        await world.post(notification(problem(3, over=True), group=group(3)))
    world.dying = True
    with pytest.raises(KeyboardInterrupt):
        await world.run(until=60)
    await world.restart()
    await world.run(until=120)
    assert f"{60 - edits} groups firing" in world.telegram.messages(CHAT)[-1].text
    assert world.balance()[0].pending == 0
