"""Budgets: how many calls many groups, lanes and failures at once may make, and in what order."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId, Notification
from relay.core.budget import Limits, Rate
from relay.core.routing.lane import LaneKey, Platform, Policy, Target
from relay.core.routing.matcher import parse
from relay.core.routing.route import Route, Routing
from relay.core.secret import Secret
from relay.sandbox.discord_chats import Thread
from relay.sandbox.faults import Refusal
from relay.sandbox.reply import Call
from tests.build import POLICY, T0, alert, notification
from tests.world import (
    API,
    CHANNEL,
    CHANNEL_HOOK,
    CHAT,
    GROUP_CHAT,
    HOOK,
    TOKEN,
    World,
    discord_target,
    telegram_target,
)

PATIENT = replace(
    POLICY, digest_after=1e6
)  # every group gets a message of its own, however long that takes
HOUR = 3600


def group(name: str, severity: str = "warning", team: str = "0", at: float = T0) -> Notification:
    """A notification of a group of its own, with one alert."""
    told = alert(name, severity=severity, at=at)
    labelled = replace(told, labels={**told.labels, "team": team})
    return notification(labelled, group=GroupId("", "relay", f"{{}}:{{{name}}}"))


def by_team(targets: Sequence[Target], limits: Limits | None = None) -> World:
    """A world in which team 0 goes to the first target, team 1 to the second, and so on."""
    names = [f"team-{number}" for number in range(len(targets))]
    own = [
        replace(each, policy=replace(each.policy, receiver=name))
        for each, name in zip(targets, names, strict=True)
    ]
    routes = tuple(
        Route(name, matchers=parse(f'team="{number}"')) for number, name in enumerate(names)
    )
    routing = Routing(
        Route(names[0], routes=routes), dict(zip(names, ((t,) for t in own), strict=True))
    )
    return World(*own, routing=routing, limits=limits)


def topic(thread: str, policy: Policy = PATIENT) -> Target:
    return telegram_target(replace(GROUP_CHAT, thread=thread), policy)


def webhook(number: int, policy: Policy = PATIENT, thread: str = "") -> Target:
    """A webhook by its number."""
    lane: LaneKey = replace(CHANNEL_HOOK, account=str(number), thread=thread)
    endpoint = discord_target(policy).endpoint
    secret = Secret(f"{API}/api/webhooks/{number}/token")
    return replace(discord_target(policy), endpoint=replace(endpoint, lane=lane, secret=secret))


def calls(world: World, platform: Platform) -> list[Call]:
    """The platform's record; nothing in it may have come inside a forbidden window."""
    made = world.telegram.calls if platform == "telegram" else world.discord.calls
    assert not any(call.early for call in made)
    return made


def busiest(made: Iterable[Call], window: float) -> int:
    """The most calls within any `window` seconds."""
    times = [call.at for call in made]
    return max(sum(first <= at < first + window for at in times) for first in times)


def texts(world: World, platform: Platform) -> str:
    return (
        world.telegram.transcript(CHAT)
        if platform == "telegram"
        else world.discord.transcript(CHANNEL)
    )


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_twenty_groups_at_once_all_arrive_and_none_is_refused(platform: Platform) -> None:
    world = World(
        telegram_target(policy=PATIENT) if platform == "telegram" else discord_target(PATIENT)
    )
    for number in range(20):
        await world.post(group(f"db-{number}."))
    await world.run(until=90)
    made = calls(world, platform)
    assert Counter(call.status for call in made) == {200: 20}
    assert [number for number in range(20) if f"db-{number}." not in texts(world, platform)] == []
    assert [(row.accepted, row.delivered) for row in world.balance()] == [(20, 20)]


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_chat_that_cannot_take_a_storm_within_a_minute_reads_one_digest(
    platform: Platform,
) -> None:
    world = World(telegram_target() if platform == "telegram" else discord_target())
    for number in range(60):
        await world.post(group(f"db-{number}."))
    await world.run(until=60)
    made = calls(world, platform)
    assert {call.status for call in made} == {200}
    assert len(made) < 5
    assert "60" in texts(world, platform)
    assert [(row.accepted, row.delivered + row.merged) for row in world.balance()] == [(60, 60)]


async def test_edits_and_replies_take_from_the_same_minute_as_messages() -> None:
    world = World(telegram_target(policy=PATIENT))
    for number in range(12):
        await world.post(group(f"db-{number}"))
    await world.run(until=20)
    for number in range(12):
        told = group(f"db-{number}")
        await world.post(
            replace(told, alerts=(*told.alerts, alert(f"web-{number}", at=T0 + 20)), state=1)
        )
    await world.run(until=240)
    made = calls(world, "telegram")
    assert {call.status for call in made} == {200}
    assert {call.method for call in made} == {"sendMessage", "editMessageText"}
    assert busiest(made, 60) == 15  # three of 18 are left to first messages
    assert busiest(made, 1) == 1


async def test_topics_share_the_budget_of_their_group() -> None:
    world = by_team([topic("1"), topic("2")])
    world.telegram.chats[CHAT].topics = {1: "db", 2: "web"}
    for number in range(15):
        for team in "01":
            await world.post(group(f"db-{team}-{number}", team=team))
    await world.run(until=180)
    made = calls(world, "telegram")
    assert Counter(call.status for call in made) == {200: 30}
    assert busiest(made, 60) == 18


@pytest.mark.medium
async def test_topics_that_together_are_too_much_for_their_group_read_digests() -> None:
    world = by_team([topic(str(number), POLICY) for number in range(1, 11)])
    world.telegram.chats[CHAT].topics = dict.fromkeys(range(1, 11), "team")
    for number in range(12):
        for team in range(10):
            await world.post(group(f"db-{team}-{number}", team=str(team)))
    await world.post(group("web-1", team="0"))
    await world.run(until=120)
    assert len(calls(world, "telegram")) < 36
    assert sum(row.pending for row in world.balance()) == 0


async def test_one_group_is_told_by_its_own_message_while_another_topic_has_a_storm() -> None:
    world = by_team([topic("1", POLICY), topic("2", POLICY)])
    world.telegram.chats[CHAT].topics = {1: "db", 2: "web"}
    for number in range(60):
        await world.post(group(f"db-{number}", team="0"))
    await world.post(group("web-1", team="1"))
    await world.run(until=60)
    assert "web-1 is nearly full" in texts(world, "telegram")
    assert len(calls(world, "telegram")) < 5


async def test_chats_share_the_budget_of_their_bot() -> None:
    chats = [-5000 - number for number in range(60)]
    world = World(
        *(telegram_target(replace(GROUP_CHAT, chat=str(chat)), PATIENT) for chat in chats)
    )
    for chat in chats:
        world.telegram.add_chat(chat, "supergroup", "Team")
    await world.post(group("db-1"))
    await world.run(until=10)
    made = calls(world, "telegram")
    assert Counter(call.status for call in made) == {200: 60}
    assert busiest(made, 1) == 27


def chats_of_one_bot(count: int, limits: Limits | None = None) -> World:
    """Team 0 has the first chat, team 1 the second, and so on."""
    chats = [-5000 - number for number in range(count)]
    world = by_team(
        [telegram_target(replace(GROUP_CHAT, chat=str(chat)), PATIENT) for chat in chats], limits
    )
    for chat in chats:
        world.telegram.add_chat(chat, "supergroup", "Team")
    return world


def told(world: World, platform: Platform = "telegram") -> list[tuple[int, int]]:
    """Every answer of the platform: after how many whole seconds, and its status."""
    made = world.telegram.calls if platform == "telegram" else world.discord.calls
    return [(int(call.at - T0), call.status) for call in made]


async def test_a_limit_of_the_whole_bot_is_told_to_three_of_its_chats_and_then_waited_for() -> None:
    world = chats_of_one_bot(20)
    world.faults.add("telegram", "*", "429", count=1, seconds=30)
    for team in range(20):
        await world.post(group(f"db-{team}", team=str(team)))
    await world.run(until=200)
    # Two calls come too early: for each Telegram asks for what it asked before once more.
    assert told(world) == [(0, 429), (0, 429), (0, 429), *[(120, 200)] * 20]
    assert sum(row.delivered for row in world.balance()) == 20


async def test_a_bot_that_rests_rests_on_after_a_restart() -> None:
    world = chats_of_one_bot(4)
    world.faults.add("telegram", "*", "429", count=1, seconds=30)
    for team in range(3):
        await world.post(group(f"db-{team}", team=str(team)))
    await world.run(until=20)
    await world.restart()
    await world.post(group("db-3", team="3"))
    await world.run(until=200)
    assert told(world) == [(0, 429), (0, 429), (0, 429), *[(120, 200)] * 4]


async def test_when_a_bot_has_rested_what_is_urgent_goes_first() -> None:
    world = chats_of_one_bot(4, Limits({"telegram": {"bot": Rate(1, 1.0)}}))
    world.faults.add("telegram", "*", "429", count=1, seconds=30)
    for team in range(3):
        await world.post(group(f"db-{team}", team=str(team)))
    await world.run(until=20)
    await world.post(group("db-3", "critical", team="3"))
    await world.run(until=200)
    assert next(call.target for call in world.telegram.calls if call.status == 200) == "-5003"


@pytest.mark.parametrize("waits", [(3600, 5), (5, 3600)])
async def test_two_chats_that_are_limited_each_for_itself_hold_up_no_other_chat_of_their_bot(
    waits: tuple[int, int],
) -> None:
    world = chats_of_one_bot(3)
    for chat, wait in zip(("-5000", "-5001"), waits, strict=True):
        world.faults.add("telegram", chat, "429", count=1, seconds=wait)
    for team in range(3):
        await world.post(group(f"db-{team}", team=str(team)))
    await world.run(until=2 * HOUR)
    assert told(world) == [(0, 429), (0, 429), (0, 200), (5, 200), (3600, 200)]


@pytest.mark.parametrize(
    ("platform", "then"),
    [("telegram", [(1, 200), (3600, 200)]), ("discord", [(3600, 200), (3600, 200)])],
)
async def test_a_proxy_that_limits_one_text_for_a_day_holds_up_its_chat_for_an_hour(
    platform: Platform, then: list[tuple[int, int]]
) -> None:
    """On Discord it may be the edge, which limits all calls of an address."""
    world = by_team([webhook(HOOK), webhook(1000)])
    world.discord.add_webhook(1000, "token", CHANNEL)
    world.discord.webhooks[HOOK].token = "token"
    if platform == "telegram":
        world = chats_of_one_bot(2)
    for where in ("telegram", "discord"):
        world.faults.add(where, "*", "throttled", text="poison", seconds=24 * HOUR)
    await world.post(group("poison"))
    await world.run(until=1)
    await world.post(group("good-0"))
    await world.post(group("good-1", team="1"))
    await world.run(until=2 * HOUR)
    assert told(world, platform)[:3] == [(0, 429), *then]


async def test_an_edge_that_limits_the_address_is_asked_once_and_waited_for() -> None:
    world = by_team([webhook(1000 + number) for number in range(20)])
    for number in range(20):
        world.discord.add_webhook(1000 + number, "token", CHANNEL)
    world.faults.add("discord", "*", "throttled", until=T0 + 600, seconds=600)
    for number in range(20):
        await world.post(group(f"db-{number}", team=str(number)))
    await world.run(until=HOUR)
    made = told(world, "discord")
    assert made[0] == (0, 429)
    assert {(at >= 600, status) for at, status in made[1:]} == {(True, 200)}
    assert len(made) == 21


async def test_webhooks_of_one_channel_share_a_budget_that_no_header_tells_of() -> None:
    world = by_team([webhook(1000 + number) for number in range(4)])
    for number in range(4):
        world.discord.add_webhook(1000 + number, "token", CHANNEL)
    for number in range(40):
        await world.post(group(f"db-{number}", team=str(number % 4)))
    await world.run(until=180)
    made = calls(world, "discord")
    assert Counter(call.status for call in made) == {200: 40}
    assert busiest(made, 60) == 27


async def test_threads_share_the_budget_of_their_webhook() -> None:
    world = by_team([webhook(1000), webhook(1000, thread="7")])
    world.discord.add_webhook(1000, "token", CHANNEL)
    world.discord.channels[CHANNEL].threads = {7: Thread(7, "db")}
    for number in range(12):
        await world.post(group(f"db-{number}", team=str(number % 2)))
    await world.run(until=60)
    made = calls(world, "discord")
    assert Counter(call.status for call in made) == {200: 12}
    assert busiest(made, 2) == 5


@pytest.mark.medium
async def test_webhooks_share_the_budget_of_their_address() -> None:
    world = World(*(webhook(1000 + number) for number in range(80)))
    for number in range(80):
        world.discord.add_channel(2000 + number, "alerts")
        world.discord.add_webhook(1000 + number, "token", 2000 + number)
    await world.post(group("db-1"))
    await world.run(until=10)
    made = calls(world, "discord")
    assert Counter(call.status for call in made) == {200: 80}
    assert busiest(made, 1) == 45


async def test_the_most_urgent_card_of_a_lane_goes_first_then_the_oldest() -> None:
    world = World(telegram_target(policy=PATIENT))
    for number, severity in enumerate(("warning", "info", "critical", "warning", "page")):
        await world.post(group(f"db-{number}", severity))
        world.now += 0.01
    await world.run(until=30)
    order = [message.text.partition("db-")[2][0] for message in world.telegram.messages(CHAT)]
    assert order == ["2", "4", "0", "1", "3"]


async def test_the_most_urgent_card_of_all_topics_goes_first_then_each_topic_in_turn() -> None:
    world = by_team([topic("1"), topic("2"), topic("3")])
    world.telegram.chats[CHAT].topics = {1: "db", 2: "web", 3: "mail"}
    steps = [
        (4, "0", 5),
        (4, "1", 3),
        (3, "2", 0),
        (5, "0", 0),
    ]  # how many groups, of which team, after how many seconds
    number = 0
    for count, team, after in steps:
        for _ in range(count):
            severity = "critical" if number in (9, 13) else "warning"
            await world.post(group(f"db-{number}.", severity, team))
            number += 1
            world.now += 0.01
        await world.run(until=world.now - T0 + after)
    await world.run(until=120)
    order = [
        int(message.text.partition("db-")[2].partition(".")[0])
        for message in world.telegram.messages(CHAT)
    ]
    before = len([call for call in calls(world, "telegram") if call.at < T0 + 8])
    assert sorted(order[:before]) == order[:before]
    assert order[before : before + 2] == [9, 13]
    # What is left of the first topic, of the second, and of the third, each in order.
    rest = order[before + 2 :]
    topics = [[n for n in rest if n in few] for few in ((11, 12, 14, 15), (7,), (8, 10))]
    assert sorted(rest) == [7, 8, 10, 11, 12, 14, 15]
    assert all(each == sorted(each) for each in topics)
    assert {rest.index(each[0]) for each in topics} == {0, 1, 2}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("platform", "failure", "most"),
    [
        ("telegram", "kicked", 289),
        ("telegram", "token revoked", 289),
        ("discord", "missing access", 289),
        ("discord", "webhook deleted", 1),
        ("discord", "token changed", 1),
    ],
)
async def test_a_chat_that_refuses_us_for_a_day_hears_little_of_us(
    platform: Platform, failure: str, most: int
) -> None:
    world = World(telegram_target() if platform == "telegram" else discord_target())
    match failure:
        case "kicked":
            world.telegram.kick(CHAT)
        case "token revoked":
            world.telegram.bots[TOKEN].revoked = True
        case "missing access":
            world.faults.add(
                "discord", "*", "refused", refusal=Refusal(403, "Missing Access", 50001)
            )
        case "webhook deleted":
            world.discord.webhooks[HOOK].gone = True
        case _:
            world.discord.webhooks[HOOK].token = "another"
    for hour in range(24):
        world.now = max(world.now, T0 + hour * HOUR)
        await world.post(group(f"db-{hour}", at=world.now))
        await world.run(until=(hour + 1) * HOUR)
    made = calls(world, platform)
    assert len(made) <= most
    assert (
        busiest(made, 600) <= 2
    )  # of the 10,000 in ten minutes after which Discord bans an address
