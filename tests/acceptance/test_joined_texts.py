"""Messages that join texts of several alerts: one text that does not pass keeps none of the others
from being told, and nothing else of the chat.
"""

import re

import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.notice import notice_of
from relay.core.notice import notification as notification_of
from relay.sandbox.faults import FaultKind, Refusal
from tests.acceptance.test_escalation import Timetable
from tests.acceptance.test_hours import MORNING, UNTIL_HALF_PAST
from tests.build import POLICY, T0, alert, notification
from tests.world import CHANNEL, CHAT, World, discord_target, telegram_target

BAD, HOUR = "poison", 3600.0
ENDED = UNTIL_HALF_PAST  # the quiet hours
QUIET = replace(POLICY, quiet=(MORNING,))
ODD_TEXT = Refusal(400, "Bad Request: message text is odd")
BAD_LINK = Refusal(400, "Message blocked by harmful links filter", 240000)
KINDS: tuple[FaultKind, ...] = ("blocked", "500", "hang", "refused")


def group(number: int, name: str, where: str, severity: str = "critical") -> Notification:
    """A group of one alert of that name, at that place."""
    of = alert(f"{where}-{number}", severity=severity, name=name)
    return notification(of, group=GroupId("", "relay", f"{{}}:{number}"))


def poison(world: World, kind: FaultKind, since: float = 0.0) -> None:
    """No text with BAD passes from then on."""
    world.faults.add("telegram", "*", kind, text=BAD, since=since, refusal=ODD_TEXT)
    world.faults.add("discord", "*", kind, text=BAD, since=since, refusal=BAD_LINK)


def shown(world: World) -> list[str]:
    """The messages of both chats as plain text."""
    both = (world.telegram.transcript(CHAT), world.discord.transcript(CHANNEL))
    return [text for each in both for text in each.split("\n\n") if text]


@pytest.mark.parametrize("platform", ["telegram", "discord"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ill", ["name", "where", "severity"])
async def test_a_summary_with_a_text_that_does_not_pass_tells_the_others_and_counts_all(
    ill: str, kind: FaultKind, platform: str
) -> None:
    target = telegram_target(policy=QUIET) if platform == "telegram" else discord_target(QUIET)
    world = World(target)
    for number in range(4):
        of = {"name": f"Alert-{number}", "where": "db", "severity": "critical"}
        await world.post(group(number, **({**of, ill: BAD} if number == 3 else of)))
    await world.run(until=ENDED - 60)
    poison(world, kind, since=T0 + ENDED - 60)
    await world.run(until=ENDED + 30)
    (summary,) = [text for text in shown(world) if "quiet hours are over" in text]
    assert "4 groups fire" in summary
    await world.post(group(9, "Alert-9", "db"))
    await world.run(until=ENDED + 50)
    assert "Alert-9" in shown(world)[-1]  # whatever the summary still tries
    await world.run(until=ENDED + 300)
    (summary,) = [text for text in shown(world) if "quiet hours are over" in text]
    assert BAD not in summary
    assert all(f"Alert-{number}" in summary for number in range(4 if ill == "where" else 3))
    assert ("left out" in summary) == (ill != "where")
    before = len(world.telegram.calls) + len(world.discord.calls)
    await world.run(until=ENDED + 2 * HOUR)
    assert len(world.telegram.calls) + len(world.discord.calls) == before


@pytest.mark.medium
@pytest.mark.parametrize("kind", ["502", "hang"])
async def test_after_an_outage_the_summary_names_all_within_seconds(kind: FaultKind) -> None:
    """Whichever call is the first to get through: one with all names, or one that only counts."""
    began = set[bool]()
    for tens in range(1, 7):
        world = World(telegram_target(policy=QUIET))
        for number in range(4):
            await world.post(group(number, f"Alert-{number}", "db"))
        await world.run(until=ENDED - 60)
        world.faults.add("telegram", "*", kind, until=T0 + ENDED + 10 * tens)
        while len(shown(world)) == 4:
            await world.run(until=world.now - T0 + 1)
        began.add("left out" in shown(world)[-1])
        await world.run(until=world.now - T0 + 15)
        assert all(f"Alert-{number} (db-{number})" in shown(world)[-1] for number in range(4))
        assert not world.telegram.messages(CHAT)[-1].silent
    assert began == {False, True}


async def test_what_a_chat_refuses_in_any_form_is_given_up_and_said_no_more() -> None:
    """The summary names nothing then, so that no text is the cause."""
    world = World(telegram_target(policy=QUIET))
    await world.post(group(1, "Alert", "db"))
    await world.run(until=ENDED - 60)
    world.faults.add("telegram", "*", "refused", refusal=ODD_TEXT)
    await world.run(until=ENDED + HOUR)
    assert [call.status for call in world.telegram.calls] == [200, 400, 400, 400, 400]
    assert world.balance()[0].dead == 0


@pytest.mark.medium
@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_text_that_the_platform_refuses_in_a_digest_ends_no_delivery_of_the_others(
    platform: str,
) -> None:
    world = World(telegram_target() if platform == "telegram" else discord_target())
    poison(world, "refused")
    for number in range(60):
        await world.post(group(number, BAD if number == 7 else f"Alert-{number % 4}", "db"))
    await world.run(until=90)
    (digest,) = [text for text in shown(world) if "60 groups firing" in text]
    assert all(f"Alert-{number}" in digest for number in range(4))
    assert BAD not in digest
    (row,) = world.balance()
    assert (row.dead, row.pending) == (0, 0)
    await world.run(until=300)
    (row,) = world.balance()
    assert row.dead <= 1  # at most the one that the platform refused by itself


@pytest.mark.medium
async def test_a_digest_rings_for_the_others_when_one_that_joined_has_a_text_that_is_refused() -> (
    None
):
    world = World()
    for number in range(60):
        await world.post(group(number, f"Alert-{number % 4}", "db"))
    await world.run(until=30)
    poison(world, "refused")
    for number in range(60, 90):
        await world.post(group(number, BAD if number == 70 else f"New-{number % 4}", "db"))
    await world.run(until=200)
    rung = [m for m in world.telegram.messages(CHAT) if m.text.startswith("➕")]
    assert [m.silent for m in rung] == [False]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ill", [1, 2])
async def test_an_escalation_with_a_name_that_does_not_pass_asks_without_names(
    ill: int, kind: FaultKind
) -> None:
    """Whether the group to which it replies has that name, or another one that it names too: a
    chat is asked once a minute.
    """
    world = Timetable()
    for number in range(3):
        await world.post(group(number, BAD if number == ill else f"Alert-{number}", "db"))
    await world.until(500)
    poison(world, kind)
    await world.until(720)
    first, second = [m for m in world.telegram.messages(CHAT) if m.text.startswith("📣")]
    assert "Alert-0" in first.text
    assert re.fullmatch("📣 nobody has taken it for 1[01]\\smin: and 1 more\nAnna", second.text)
    assert not second.silent


async def test_what_no_box_lets_through_as_a_reply_is_told_by_the_edit() -> None:
    """Also where the chat has no other card, which would show that it works."""
    world = World()
    await world.post(notification(alert("db-1", severity="critical")))
    await world.run(until=10)
    world.faults.add("telegram", "*", "blocked", text="reply_parameters")
    both = [alert(name, severity="critical") for name in ("db-1", "db-2")]
    await world.post(notification(*both))
    await world.run(until=15)
    assert "db-2" in world.telegram.transcript(CHAT)
    await world.run(until=HOUR)
    calls = world.telegram_calls(since=10)
    assert calls == ["sendMessage"] * 2 + ["editMessageText"] + ["sendMessage"] * 3


async def test_a_reply_that_rings_is_sent_after_an_outage_of_any_length() -> None:
    for seconds in (1, 3, 10, 60, 600):
        world = World()
        await world.post(notification(alert("db-1", severity="critical")))
        await world.run(until=10)
        world.faults.add("telegram", "*", "502", until=T0 + 10 + seconds)
        both = [alert(name, severity="critical") for name in ("db-1", "db-2")]
        await world.post(notification(*both))
        await world.run(until=10 + 2 * seconds + 30)
        (joined,) = [m for m in world.telegram.messages(CHAT) if m.text.startswith("➕")]
        assert not joined.silent


async def test_a_critical_that_is_dead_is_told_without_its_name_where_its_name_is_refused() -> None:
    """The notice that names it is refused as well, and one about that would be."""
    world = World()
    poison(world, "refused")
    await world.post(group(1, BAD, "db"))
    told = dict[tuple[str, str], None]()
    for second in range(60):
        for event in world.events:
            notice = notice_of(event)
            if notice is not None and (notice.kind, notice.subject) not in told:
                told[notice.kind, notice.subject] = None
                await world.post(notification_of(notice, "en", world.now, world.now))
        await world.run(until=second)
    assert [kind for kind, _ in told] == ["template", "undelivered", "dead"]
    (said,) = [text for text in shown(world) if "AlertRelayDeadDeliveries" in text]
    assert said.startswith("🔴 critical AlertRelayDeadDeliveries · ops")
