"""One fault, one card: what keeps one message from its chat keeps no other from it by more than one
call, and nothing is given up untried.
"""

import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.budget import Limits, Rate
from relay.core.card.failures import FRESH_PAUSE, LONGEST_BLIND_PAUSE, LONGEST_PAUSE
from relay.core.event import Settled
from relay.core.retention import Retention
from relay.core.turn.decide import URGENT_PAUSE
from relay.operate.housekeeping import GRACE, Housekeeping
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox.faults import FaultKind, PlatformName, Refusal
from relay.store.sqlite.store import SqliteStore
from tests.build import POLICY, T0, alert, notification
from tests.need import share
from tests.world import (
    CHANNEL,
    CHAT,
    GROUP_CHAT,
    HOOK,
    SPARE,
    SPARE_CHAT,
    AtOnce,
    World,
    discord_target,
    telegram_target,
)

HOUR, DAY = 3600.0, 86_400.0
BAD = "poison"
SPARE_POLICY = replace(POLICY, receiver="spare")


def told(name: str, severity: str = "critical") -> Notification:
    """A group of one alert."""
    group = GroupId("", "relay", f"{{}}:{name}")
    return notification(alert(name, severity=severity, name=f"Alert-{name}"), group=group)


def with_fallback() -> World:
    return World(
        telegram_target(policy=replace(POLICY, fallback="spare")),
        telegram_target(SPARE, SPARE_POLICY),
    )


class Recorded:
    """The bodies of a world's requests, with their times."""

    def __init__(self, world: World) -> None:
        self.requests: list[tuple[float, str]] = []
        send = world.send

        async def kept(request: Request) -> Response | NoAnswer:
            self.requests.append((world.now - T0, request.body.decode()))
            return await send(request)

        world.pipeline._calls._exchange = kept

    def of(self, name: str) -> list[float]:
        """When calls held that name, in seconds."""
        return [round(at, 1) for at, body in self.requests if name in body]


async def expiring(world: World) -> int:
    """How many deliveries expire now."""
    events: list[object] = []
    kept = Housekeeping(
        world.store, AtOnce(world.store), lambda: world.now, events.append, world.config
    )
    kept._started_at -= GRACE
    await kept.round()
    return sum(event.count for event in events if isinstance(event, Settled))


KINDS: tuple[FaultKind, ...] = (
    "500", "502", "hang", "cut before", "cut after", "not json", "blocked", "too large", "slow",
    "other json",
)  # fmt: skip
HANGING: tuple[FaultKind, ...] = ("hang", "slow")


MANY_FAIL = (
    st.sampled_from(KINDS),
    st.sampled_from(("telegram", "discord")),
    st.lists(st.sampled_from((0.0, 1.5, 4.0, 14.0, 16.0, 31.0, 100.0)), max_size=8),
    st.integers(1, 4),
)
SOME = settings(max_examples=15, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.medium
@SOME
@given(*MANY_FAIL)
@example("hang", "telegram", [0.0, 0.0, 1.5, 16.0, 0.0, 31.0], 4)
@example("500", "telegram", [31.0], 4)  # the failing ones leave room in the budget
@example("500", "discord", [0.0, 0.0, 0.0], 2)  # the end of the trouble ends their pauses
@example("hang", "discord", [0.0, 4.0, 14.0, 31.0, 1.5, 0.0, 16.0], 4)
async def test_messages_that_fail_hold_up_no_other_by_more_than_one_call(
    kind: FaultKind, platform: str, pauses: Sequence[float], bad: int
) -> None:
    await _hold_up(kind, platform, pauses, bad)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(SOME, max_examples=share(1000))
@given(*MANY_FAIL)
async def test_messages_that_fail_hold_up_no_other_by_more_than_one_call_for_long(
    kind: FaultKind, platform: str, pauses: Sequence[float], bad: int
) -> None:
    await _hold_up(kind, platform, pauses, bad)


async def _hold_up(kind: FaultKind, platform: str, pauses: Sequence[float], bad: int) -> None:
    """Some messages fail, others come after each of the pauses."""
    world = World(telegram_target() if platform == "telegram" else discord_target())
    recorded = Recorded(world)
    for where in ("telegram", "discord"):
        world.faults.add(where, "*", kind, text=BAD, seconds=20.0)
    for number in range(bad):
        await world.post(told(f"{BAD}-{number}"))
    accepted: dict[str, float] = {}
    for number, seconds in enumerate(pauses):
        await world.run(until=world.now - T0 + seconds)
        accepted[f"good-{number:02}"] = world.now - T0
        await world.post(told(f"good-{number:02}", ("critical", "warning")[number % 2]))
    await world.run(until=world.now - T0 + 100)
    for name, at in accepted.items():
        (sent,) = recorded.of(f"Alert-{name}")
        calls = sum(at <= when < sent for when in recorded.of(f"Alert-{BAD}"))
        assert calls <= (1 if kind in HANGING else bad)
        longest = 15 if kind in HANGING else 1
        in_time = sent - at <= longest + FRESH_PAUSE + 1.2 * (len(pauses) + 1)  # the chat's pace
        assert in_time
    (row,) = world.balance()
    assert (row.dead, row.delivered) == (0, len(accepted))


@pytest.mark.parametrize("severity", ["critical", "warning"])
@pytest.mark.parametrize("outage", [20.0, 60.0, 400.0])
@pytest.mark.parametrize("groups", [1, 5, 12])
async def test_the_end_of_an_outage_is_found_soon(
    groups: int, outage: float, severity: str
) -> None:
    """However many groups wait, and whether each has its message or a digest names them."""
    first = await found_after(outage, "500", groups, "telegram", severity)
    assert first <= (URGENT_PAUSE if severity == "critical" else outage)


@pytest.mark.parametrize("kind", ["hang", "cut before", "not json"])
@pytest.mark.parametrize("platform", ["telegram", "discord"])
@pytest.mark.parametrize("groups", [1, 3])
async def test_the_end_of_an_outage_without_answers_is_found_soon(
    groups: int, platform: PlatformName, kind: FaultKind
) -> None:
    """After the fourth answer that never came, the platform is asked first, without a message."""
    assert await found_after(300.0, kind, groups, platform, "critical") <= 60.0


async def found_after(
    outage: float, kind: FaultKind, groups: int, platform: PlatformName, severity: str
) -> float:
    """After how many seconds a call was made once an outage was over."""
    world = World(telegram_target() if platform == "telegram" else discord_target())
    recorded = Recorded(world)
    world.faults.add(platform, "*", kind, seconds=20.0)
    for number in range(groups):
        await world.post(told(f"{number:02}", severity))
    await world.run(until=outage)
    world.faults.clear()
    await world.run(until=2 * outage + LONGEST_BLIND_PAUSE)
    return min(at for at, _ in recorded.requests if at >= outage) - outage


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_an_api_that_takes_messages_and_answers_nothing_gets_four_of_them(
    platform: PlatformName,
) -> None:
    world = World(telegram_target() if platform == "telegram" else discord_target())
    world.faults.add(platform, "*", "cut after")
    await world.post(told("a"))
    await world.run(until=5 * HOUR)
    telegram, discord = world.telegram.messages(CHAT), world.discord.messages(CHANNEL)
    assert len(telegram) + len(discord) == 4
    world.faults.clear()
    await world.run(until=5 * HOUR + LONGEST_PAUSE)
    (row,) = world.balance()
    assert (row.delivered, row.pending) == (1, 0)


async def test_no_message_is_sent_if_the_lease_ran_out_while_the_platform_was_asked() -> None:
    """Another process may have the lane by now."""
    world = World()
    recorded = Recorded(world)
    world.faults.add("telegram", "*", "cut after", count=4)
    await world.post(told("a"))
    await world.run(until=150)
    assert len(recorded.of("Alert-a")) == 4
    asked = len(recorded.requests)
    world.pipeline._calls._is_held = lambda _: len(recorded.requests) == asked
    await world.run(until=151 + LONGEST_BLIND_PAUSE)
    assert len(recorded.requests) > asked
    assert len(recorded.of("Alert-a")) == 4


@pytest.mark.parametrize("platform", ["telegram", "discord"])
@pytest.mark.parametrize("seconds", [1.0, 5.0])
async def test_one_text_that_is_always_asked_to_wait_holds_up_others_by_one_wait(
    seconds: float, platform: str
) -> None:
    """A platform, or a box, that answers 429 to one text alone: its chat was silent for ever."""
    world = World(telegram_target() if platform == "telegram" else discord_target())
    recorded = Recorded(world)
    for where in ("telegram", "discord"):
        world.faults.add(where, "*", "429", text=BAD, seconds=seconds)
    await world.post(told(BAD))
    accepted: dict[str, float] = {}
    for number in range(12):
        await world.run(until=11.0 * number + 1)
        accepted[f"good-{number:02}"] = world.now - T0
        await world.post(told(f"good-{number:02}", ("critical", "warning")[number % 2]))
    await world.run(until=600)
    for name, at in accepted.items():
        (sent,) = recorded.of(f"Alert-{name}")
        assert sent - at <= 2 * seconds + 5.0  # its pace, and one call
        assert sum(at <= when < sent for when in recorded.of(f"Alert-{BAD}")) <= 1
    (row,) = world.balance()
    assert (row.dead, row.delivered, row.pending) == (0, 12, 1)


async def test_a_critical_that_was_asked_to_wait_is_behind_one_other_call_at_most() -> None:
    world = World()
    world.faults.add("telegram", "*", "429", count=1, seconds=5.0)
    await world.post(told("first"))
    for number in range(6):
        await world.post(told(f"warning-{number}", "warning"))
    await world.run(until=60)
    order = [message.text for message in world.telegram.messages(CHAT)]
    assert ["first" in text for text in order[:2]] == [False, True]


async def test_a_firewall_that_resets_one_text_costs_that_card_alone_and_it_is_tried_all_day() -> (
    None
):
    world = with_fallback()
    recorded = Recorded(world)
    world.faults.add("telegram", str(CHAT), "cut after", text=BAD)
    await world.post(told(BAD))
    for number in range(24):
        await world.run(until=HOUR * number + 60)
        await world.post(told(f"good-{number}"))
    await world.run(until=DAY - 1)
    calls = [at for at, body in recorded.requests if f"Alert-{BAD}" in body and "-1001" in body]
    pauses = [round(b - a) for a, b in pairwise(calls)]
    assert pauses[:5] == [15, 30, 60, 60, 3600]
    assert set(pauses[4:]) <= set(range(3600, 3662))
    assert any(BAD in message.text for message in world.telegram.messages(SPARE_CHAT))
    good = [row for row in world.telegram.messages(CHAT) if "good" in row.text]
    assert len(good) == 24
    await world.run(until=DAY + 100)
    assert await expiring(world) == 1


async def test_what_a_box_refuses_for_its_style_goes_out_plain_at_the_third_try() -> None:
    world = World()
    recorded = Recorded(world)
    world.faults.add("telegram", "*", "blocked", text='"offset":27,"length":6')
    await world.post(told(BAD))
    await world.run(until=0.5)
    await world.post(told("good", severity="warning"))
    await world.run(until=30)
    bodies = [body for _, body in recorded.requests if f"Alert-{BAD}" in body]
    assert ["entities" in body for body in bodies] == [True, True, False]
    assert f"Alert-{BAD}" in world.telegram.transcript(CHAT)


def storming(number: int, name: str, where: str) -> Notification:
    """A group of one critical alert of that name, at that place."""
    of = alert(f"{where}-{number}", severity="critical", name=name)
    return notification(of, group=GroupId("", "relay", f"{{}}:{number}"))


@pytest.mark.parametrize("platform", ["telegram", "discord"])
@pytest.mark.parametrize(("kind", "within"), [("blocked", 70.0), ("500", 70.0), ("hang", 240.0)])
@pytest.mark.parametrize("ill", ["name", "place"])
async def test_a_digest_with_a_text_that_does_not_pass_tells_the_others_and_counts_all(
    ill: str, kind: FaultKind, within: float, platform: str
) -> None:
    """Also where no other message of the chat gets through meanwhile."""
    world = World(telegram_target() if platform == "telegram" else discord_target())
    for where in ("telegram", "discord"):
        world.faults.add(where, "*", kind, text=BAD)
    for number in range(60):
        is_ill = number % 4 == 3
        name = f"Alert-{BAD}" if is_ill and ill == "name" else f"Alert-{number % 4}"
        await world.post(storming(number, name, BAD if is_ill and ill == "place" else "db"))
    await world.run(until=within)
    shown = world.telegram.transcript(CHAT) + world.discord.transcript(CHANNEL)
    (told,) = [text for text in shown.split("\n\n") if "60 groups firing" in text] or [shown]
    assert "60 critical" in told
    for number in range(3):
        assert re.search(rf"Alert-{number}\W* ×15 \(\W*db-{number}", told)
    assert ("Alert-3" in told) == (ill == "place")
    assert BAD not in shown


@pytest.mark.parametrize("kind", ["502", "hang"])
async def test_after_an_outage_a_digest_names_all_within_seconds(kind: FaultKind) -> None:
    """Whichever call is the first to get through: one with all names, or one that only counts."""
    began = set[bool]()
    for tens in range(1, 13):
        world = World()
        world.faults.add("telegram", "*", kind, until=T0 + 10 * tens)
        for number in range(60):
            await world.post(storming(number, f"Alert-{number % 4}", "db"))
        while not (shown := world.telegram.transcript(CHAT)):
            await world.run(until=world.now - T0 + 1)
        began.add("left out" in shown)
        await world.run(until=world.now - T0 + 15)
        digest = world.telegram.transcript(CHAT).split("In one message")[0]
        assert "left out" not in digest
        assert all(f"Alert-{number} ×15 (db-{number}" in digest for number in range(4))
    assert began == {False, True}


async def test_a_digest_tries_again_by_itself_what_its_chat_did_not_take() -> None:
    world = World()
    world.faults.add("telegram", "*", "blocked", text=BAD, until=T0 + 250)
    for number in range(60):
        await world.post(storming(number, f"Alert-{BAD}" if number % 2 else "Alert-good", "db"))
    await world.run(until=200)
    assert "name left out: this chat does not take it ×30" in world.telegram.transcript(CHAT)
    await world.run(until=500)
    assert "left out" not in world.telegram.transcript(CHAT)


async def test_only_when_different_cards_fail_the_lane_pauses_and_its_end_ends_all_pauses() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 100)
    await world.post(told("a"))
    await world.run(until=0.5)
    assert world.store.state(GROUP_CHAT).retry_at == 0.0
    for name in ("b", "c", "d"):
        await world.post(told(name))
    await world.run(until=99)
    state = world.store.state(GROUP_CHAT)
    assert len(state.failing) == 4
    await world.run(until=99 + 70)
    first = world.telegram.messages(CHAT)[0].sent_at
    assert len(world.telegram.messages(CHAT)) == 4
    assert world.telegram.messages(CHAT)[-1].sent_at - first < 5


async def test_a_lane_in_trouble_is_called_every_few_seconds_however_many_cards_wait() -> None:
    """Each card by itself would make six calls within the minute."""
    rates = {"group": Rate(9999, 60.0), "chat": Rate(9999, 1.0), "bot": Rate(9999, 1.0)}
    world = World(limits=Limits({"telegram": rates}))
    recorded = Recorded(world)
    world.faults.add("telegram", "*", "502")
    for number in range(12):
        await world.post(told(f"card-{number:02}"))
    await world.run(until=60)
    assert 12 <= len(recorded.requests) <= 60 / FRESH_PAUSE


async def test_nothing_expires_that_was_not_tried() -> None:
    world = World()
    world.faults.add("telegram", "*", "429", count=1, seconds=DAY - 10)
    await world.post(told("first"))
    await world.run(until=1)
    await world.post(told("second"))
    await world.run(until=DAY - 20)
    world.now = T0 + DAY + 50
    assert await expiring(world) == 1  # the first, which was refused once
    await world.run(until=DAY + 100)
    assert "second" in world.telegram.transcript(CHAT)


@pytest.mark.medium
async def test_the_platforms_own_verdict_on_the_chat_is_a_try_of_all_that_waits_there() -> None:
    world = World()
    world.telegram.kick(CHAT)
    for name in ("a", "b", "c"):
        await world.post(told(name))
    await world.run(until=DAY + 100)
    assert await expiring(world) == 3


NO_FILES = Refusal(400, "Bad Request: not enough rights to send documents to the chat")
KICKED = Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
NO_REPLIES = Refusal(403, "Forbidden: not enough rights to send replies")


async def test_a_file_that_the_chat_does_not_take_is_left_out_and_says_nothing_of_the_chat() -> (
    None
):
    world = World(telegram_target(policy=replace(POLICY, overflow="document")))
    world.faults.add("telegram", "*", "refused", text='name="document"', refusal=NO_FILES)
    many = [alert(f"db-{number}", severity="critical") for number in range(300)]
    await world.post(notification(*many))
    await world.run(until=30)
    assert world.telegram_calls() == ["sendMessage", "sendDocument", "editMessageText"]
    assert world.store.state(GROUP_CHAT).down is None
    assert [row.pending for row in world.balance()] == [0]
    await world.post(told("next"))
    await world.run(until=60)
    assert "next" in world.telegram.transcript(CHAT)


async def test_a_reply_that_is_refused_is_left_out_and_an_edit_asks_whether_the_chat_is_down() -> (
    None
):
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.faults.add("telegram", "*", "refused", text="reply_parameters", refusal=NO_REPLIES)
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=30)
    assert world.telegram_calls(since=10) == ["sendMessage", "editMessageText"]
    assert world.store.state(GROUP_CHAT).down is None
    assert "db-2" in world.telegram.transcript(CHAT)


async def test_a_chat_that_is_down_is_probed_by_its_most_urgent_card_without_replies() -> None:
    world = World()
    await world.post(told("old", severity="warning"))
    await world.run(until=10)
    world.telegram.kick(CHAT)
    await world.post(
        notification(
            alert("old", name="Alert-old"),
            alert("more", name="Alert-old"),
            group=told("old").group,
        )
    )
    await world.run(until=20)
    await world.post(told("worse"))
    recorded = Recorded(world)
    await world.run(until=1000)
    probes = [body for _, body in recorded.requests]
    assert len(probes) >= 2
    assert all("Alert-worse" in body and "reply_parameters" not in body for body in probes)


async def test_a_chat_that_is_down_is_probed_by_an_edit_in_place_of_a_reply() -> None:
    world = World()
    await world.post(told("old"))
    await world.run(until=10)
    world.telegram.kick(CHAT)
    new = alert("new", name="Alert-old", severity="critical")
    known = alert("old", name="Alert-old", severity="critical")
    await world.post(notification(known, new, group=told("old").group))
    await world.run(until=1000)
    assert world.telegram_calls(since=10)[1:] == ["editMessageText"] * 3


async def test_a_card_without_five_answers_goes_to_the_fallback_and_is_tried_hourly() -> None:
    """Alone in its chat: nothing shows whether it is at fault."""
    world = with_fallback()
    recorded = Recorded(world)
    world.faults.add("telegram", str(CHAT), "hang", text=BAD)
    await world.post(told(BAD))
    await world.run(until=15 + 15 + 15 + 30 + 15 + 60 + 15 + 60 + 14)
    assert world.telegram.messages(SPARE_CHAT) == []
    await world.run(until=3 * HOUR)
    assert [m.text.count(BAD) > 0 for m in world.telegram.messages(SPARE_CHAT)] == [True]
    tried = [at for at in recorded.of(BAD) if at > 300]
    assert len(tried) == 2
    assert tried[1] - tried[0] > HOUR


TOO_ODD = Refusal(400, "Bad Request: message text is odd")


async def test_a_card_that_its_chat_refuses_for_good_goes_to_the_fallback_with_its_end() -> None:
    world = with_fallback()
    world.faults.add("telegram", str(CHAT), "refused", text=BAD, refusal=TOO_ODD)
    await world.post(told(BAD))
    await world.post(told("good"))
    await world.run(until=30)
    assert [m.text.count(BAD) > 0 for m in world.telegram.messages(SPARE_CHAT)] == [True]
    assert "good" in world.telegram.transcript(CHAT)
    (row,) = world.balance()
    assert (row.accepted, row.dead, row.delivered, row.pending) == (3, 1, 2, 0)
    ended = alert(BAD, "resolved", severity="critical", name=f"Alert-{BAD}")
    await world.post(notification(ended, group=told(BAD).group))
    await world.run(until=100)
    assert world.telegram.messages(SPARE_CHAT)[0].text.startswith("🟢")


async def test_what_waits_for_fallback_after_goes_there_for_whatever_reason() -> None:
    policy = replace(POLICY, fallback="spare", fallback_after=600.0)
    world = World(telegram_target(policy=policy), telegram_target(SPARE, SPARE_POLICY))
    world.telegram.chats[CHAT].flood.start(HOUR, T0)
    await world.post(told("late"))
    await world.run(until=599)
    assert world.telegram.messages(SPARE_CHAT) == []
    await world.run(until=605)
    assert [BAD in m.text or "late" in m.text for m in world.telegram.messages(SPARE_CHAT)] == [
        True
    ]
    await world.run(until=2 * HOUR)
    assert len(world.telegram.messages(CHAT)) == 1
    assert [row.pending for row in world.balance()] == [0]


@pytest.mark.medium
async def test_fallbacks_are_followed_along_a_chain_and_not_in_a_circle() -> None:
    chain = World(
        telegram_target(policy=replace(POLICY, fallback="spare")),
        telegram_target(SPARE, replace(SPARE_POLICY, fallback="channel")),
        discord_target(replace(POLICY, receiver="channel", fallback="ops")),
    )
    chain.telegram.kick(CHAT)
    chain.telegram.kick(SPARE_CHAT)
    await chain.post(told("a"))
    await chain.run(until=30)
    assert len(chain.discord.messages(CHANNEL)) == 1
    assert [row.accepted for row in chain.balance()] == [1, 2]
    chain.discord.webhooks[HOOK].gone = True
    await chain.post(told("b"))
    await chain.run(until=DAY / 2)
    assert [row.accepted for row in chain.balance()] == [2, 4]


async def test_a_chat_that_is_down_keeps_the_oldest_and_the_newest_delivery_of_a_card() -> None:
    world = World()
    world.telegram.kick(CHAT)
    for number in range(50):
        several = [alert(f"db-{each}") for each in range(number % 7 + 1)]
        await world.post(notification(*several))
        await world.run(until=10.0 * number)
    (row,) = world.balance()
    assert (row.accepted, row.pending, row.oldest_pending) == (50, 2, T0)
    assert row.merged + row.duplicate == 48
    told = [each for each in world.events if isinstance(each, Settled)]
    for settlement, count in (("merged", row.merged), ("duplicate", row.duplicate)):
        assert sum(each.count for each in told if each.settlement == settlement) == count
    if not isinstance(world.store, SqliteStore):
        return
    await world.commit(partial(world.store.purge, 0.0, 0, 1000))  # as a full disk has it
    (left,) = world.store._db.execute("SELECT count(*) FROM payload").fetchone()
    assert left == 2


@pytest.mark.sqlite
async def test_a_chat_that_takes_nothing_keeps_its_part_of_the_storage_and_shows_the_present() -> (
    None
):
    world = World()
    kept = replace(world.config.current, retention=Retention(bytes=1 << 20))
    world.config.load(kept)
    world.faults.add("telegram", "*", "refused", refusal=KICKED, until=T0 + 300)
    for number in range(20):
        group, text = GroupId("", "relay", f"{{}}:{number}"), "x" * 50_000
        big = replace(alert(f"db-{number}"), annotations={"summary": text})
        await world.post(notification(big, group=group))
        await world.run(until=10.0 * number)
    assert await expiring(world) == 15  # a quarter of 1 MiB is left
    (row,) = world.balance()
    assert (row.pending, row.expired, row.oldest_pending) == (5, 15, T0 + 140)
    (bodies,) = world.store._db.execute("SELECT count(*) FROM payload").fetchone()  # type: ignore[attr-defined]
    assert bodies == 5
    await world.run(until=4000)
    (row,) = world.balance()
    assert (row.pending, len(world.store.open_cards(0, 99))) == (0, 20)
    assert "20 groups" in world.telegram.transcript(CHAT)


async def test_a_chat_that_got_nothing_for_ten_minutes_is_told_of_with_the_cause() -> None:
    world = World()
    world.faults.add("telegram", "*", "502")
    await world.post(told("a"))
    await world.run(until=599)
    assert world.store.stuck(world.now) == ()
    await world.run(until=700)
    ((lane, down),) = world.store.stuck(world.now)
    assert lane == GROUP_CHAT
    assert "502" in down.why
    world.faults.clear()
    await world.run(until=1100)
    assert world.store.stuck(world.now) == ()
    assert re.search("Alert-a", world.telegram.transcript(CHAT))


@pytest.mark.medium
async def test_one_card_that_fails_says_nothing_of_a_chat_that_takes_the_others() -> None:
    world = World()
    world.faults.add("telegram", "*", "blocked", text=BAD)
    await world.post(told(BAD))
    for number in range(10):
        await world.run(until=300.0 * number)
        await world.post(told(f"good-{number}"))
    await world.run(until=2900)
    assert world.store.stuck(world.now) == ()


@pytest.mark.parametrize("kind", ["cut after", "hang"])
async def test_a_repeated_card_makes_few_copies(kind: FaultKind) -> None:
    world = World()
    world.faults.add("telegram", "*", kind, text=BAD)
    await world.post(told(BAD))
    await world.run(until=HOUR)
    assert len(world.telegram.calls) <= 6
