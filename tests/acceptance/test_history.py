"""Why did nobody get this? A life of a relay in which alerts end in every way, and what the history
says about each.
"""

import re
from functools import partial

import pytest
from msgspec.structs import replace

from relay.cli.asking import place_of
from relay.core.alert import GroupId, Notification
from relay.core.history import DeliveryTrace, DiscardTrace, LastHeard, Trace, outcomes_of
from relay.core.routing.matcher import parse
from relay.core.routing.route import Route, Routing
from relay.core.told_history import chain, never_came
from relay.sandbox.faults import Refusal
from relay.store.history import ClosedCard, HistoryQuery
from relay.store.queue import Dropped, Refused, Retried
from tests.acceptance.test_hours import MORNING
from tests.build import GROUP, POLICY, T0, alert, notification
from tests.world import CHAT, SPARE, World, discord_target, telegram_target

CANNOT_PARSE = Refusal(400, "Bad Request: can't parse entities")


def group(name: str) -> GroupId:
    return replace(GROUP, group_key=f'{{}}:{{alertname="{name}"}}')


def of(name: str, *statuses: str, at: float = T0) -> Notification:
    alerts = [
        alert(f"i{number}", "resolved" if status == "resolved" else "firing", at=at, name=name)
        for number, status in enumerate(statuses or ("firing",))
    ]
    return notification(*alerts, group=group(name))


async def trace(world: World, trace_id: str) -> Trace:
    found = await world.commit(partial(world.store.traced, trace_id))
    assert isinstance(found, Trace)
    return found


async def said(world: World, name: str) -> list[tuple[str, ...]]:
    """What the history says of each payload with alerts of that name, the oldest first."""
    query = HistoryQuery(labels=(("alertname", name),))
    page = await world.commit(partial(world.store.history, query))
    ids = {
        str(row.payload): None for row in page.rows if isinstance(row, DeliveryTrace | DiscardTrace)
    }
    chains = []
    for trace_id in sorted(ids, key=int):
        found = await trace(world, trace_id)
        places = {each.id: place_of(each) for each in found.deliveries}
        chains.append(chain(found, places)[3:])
    return chains


async def outcomes(world: World, name: str) -> list[set[str]]:
    query = HistoryQuery(labels=(("alertname", name),))
    page = await world.commit(partial(world.store.history, query))
    return [set(outcomes_of(row)) for row in reversed(page.rows)]


def when(seconds: float) -> str:
    """A time of the life as sentences have it."""
    from relay.core.told_history import time_of  # noqa: PLC0415 - one use

    return time_of(T0 + seconds)


async def test_delivered_then_merged_then_a_duplicate() -> None:
    world = World()
    await world.post(of("Disk"))
    await world.run(until=5)
    world.faults.add("telegram", "*", "502", until=T0 + 20)
    world.now = T0 + 10
    await world.post(of("Disk", "firing", "firing"))
    await world.post(of("Disk", "firing", "firing", "firing"))
    await world.run(until=60)
    await world.post(of("Disk", "firing", "firing", "firing"))
    await world.run(until=70)
    delivered, merged, edited, duplicate = await said(world, "Disk")
    assert delivered == (
        f"Disk: route root leads to ops, telegram chat {CHAT}. Delivered {when(0)} in message 1.",
    )
    assert re.fullmatch(
        r"Disk \(2\): route root leads to ops, .*\. Merged .* into the newer delivery 1/3, which"
        r" message 1 shows\.",
        merged[0],
    )
    assert "Delivered" in edited[0]
    assert re.search(
        r"Duplicate, found .*: it says again what delivery 1/3 said, which message 1 shows\.",
        duplicate[0],
    )
    assert await outcomes(world, "Disk") == [
        {"delivered"},
        {"merged"},
        {"delivered"},
        {"duplicate"},
    ]


async def test_a_discarded_alert_is_told_with_its_route_and_line() -> None:
    quiet = Route("null", parse('alertname="Noise"'), place="relay.yml:12")
    routing = Routing(
        Route("ops", routes=(Route("ops", parse('team="x"'), place="relay.yml:9"), quiet)),
        {"ops": (telegram_target(),), "null": ()},
    )
    world = World(routing=routing)
    await world.post(of("Noise", "firing", "firing"))
    await world.run(until=60)
    assert await said(world, "Noise") == [
        ("Noise (2): route 2 (relay.yml:12) leads to null, which has no chat: discarded.",)
    ]
    assert await outcomes(world, "Noise") == [{"discarded"}]


async def test_a_muted_alert_says_by_what() -> None:
    route = Route("ops", mute=("morning",))
    target = telegram_target()
    routing = Routing(route, {"ops": (target,)})
    world = World(target, routing=routing, intervals=(MORNING,))
    await world.post(of("Disk"))
    await world.run(until=60)
    (only,) = await said(world, "Disk")
    assert only[0].endswith(f"Muted {when(0)} by morning.")
    assert await outcomes(world, "Disk") == [{"muted"}]


async def test_a_dead_alert_says_why_and_as_what_it_was_retried_and_counts_once() -> None:
    world = World()
    world.faults.add("telegram", "*", "refused", refusal=CANNOT_PARSE)
    await world.post(of("Disk"))
    await world.run(until=10)
    world.faults.clear()
    (only,) = await said(world, "Disk")
    assert "the markup is refused (400: Bad Request: can't parse entities)." in only[0]
    assert "Dead " in only[0]
    assert isinstance(await world.commit(partial(world.store.retry, "1/1", world.now)), Retried)
    world.wakes[telegram_target().lane] = world.now
    await world.run(until=20)
    (only,) = await said(world, "Disk")
    assert "It was retried as 1/2." in only[0]
    assert "Delivered" in only[1]
    assert [(row.accepted, row.delivered, row.dead) for row in world.balance()] == [(1, 1, 0)]


async def test_what_was_dropped_and_retried_counts_once() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 30)
    await world.post(of("Disk"))
    await world.run(until=10)
    assert isinstance(await world.commit(partial(world.store.drop, "1/1", world.now)), Dropped)
    await world.commit(partial(world.store.retry, "1/1", world.now))
    world.wakes[telegram_target().lane] = world.now
    await world.run(until=90)
    assert [(row.accepted, row.delivered, row.dead) for row in world.balance()] == [(1, 1, 0)]


async def test_a_held_alert_says_so_and_then_how_it_ended() -> None:
    world = World()
    await world.post(of("Disk"))
    await world.run(until=5)
    await world.post(of("Disk", "resolved"))
    await world.run(until=10)
    await world.post(of("Disk"))
    await world.run(until=20)
    assert "Held: its end was shown before" in (await said(world, "Disk"))[-1][0]
    assert "held" in (await outcomes(world, "Disk"))[-1]
    await world.run(until=120)
    assert "Delivered" in (await said(world, "Disk"))[-1][0]


async def test_a_copy_for_a_fallback_says_for_whom() -> None:
    policy = replace(POLICY, fallback="spare")
    spare = telegram_target(SPARE, replace(POLICY, receiver="spare"))
    world = World(telegram_target(policy=policy), spare)
    world.telegram.kick(CHAT)
    await world.post(of("Disk"))
    await world.run(until=30)
    (only,) = await said(world, "Disk")
    assert only[0].endswith("Its chat could not be reached: the fallback got a copy.")
    assert "Pending: the chat is down" in only[0]
    assert re.match(
        r"Disk: copied to spare, telegram chat -1002, for ops, whose chat could not be reached\."
        r" Delivered .* in message \d+\.",
        only[1],
    )
    assert {"delivered", "fallback"} in await outcomes(world, "Disk")
    found = await trace(world, "1")
    places = {each.id: place_of(each) for each in found.deliveries}
    backwards = replace(found, deliveries=found.deliveries[::-1])  # as the lanes may have it
    assert chain(backwards, places) == chain(found, places)


async def test_an_expired_alert_says_when() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 600)
    await world.post(of("Disk"))
    await world.run(until=60)
    lane = telegram_target().lane
    expire = partial(world.store.expire, lane, "ops", world.now, world.now)
    await world.commit(expire)
    (only,) = await said(world, "Disk")
    assert f"Expired {when(60)}: its chat could not be reached" in only[0]


async def test_alerts_of_a_digest_are_named_in_it() -> None:
    world = World()
    for number in range(60):
        await world.post(of(f"Web{number}"))
    await world.run(until=200)
    chains = [(await said(world, f"Web{number}"))[0][0] for number in range(60)]
    named = [each for each in chains if "in the digest, message" in each]
    assert len(named) > 20
    assert all("in the digest, message" in each or "Delivered" in each for each in chains)
    assert any("digest" in each for each in await outcomes(world, "Web30"))


async def test_a_message_of_discord_and_of_a_supergroup_has_its_link() -> None:
    world = World(telegram_target(), discord_target(replace(POLICY, receiver="ops"), guild="77"))
    await world.post(of("Disk"))
    await world.run(until=10)
    found = await trace(world, "1")
    links = {
        each.lane.platform: place_of(replace(each, guild="77")).link for each in found.deliveries
    }
    assert links["discord"].startswith("https://discord.com/channels/77/333/")
    supergroup = found.deliveries[0]
    assert supergroup.message is not None
    moved = replace(
        supergroup, message=replace(supergroup.message, chat="-1001234567890", thread="5")
    )
    assert place_of(moved).link == "https://t.me/c/1234567890/5/1"


async def test_one_that_never_came_is_answered_by_when_its_source_was_last_heard() -> None:
    world = World()
    await world.post(of("Disk"))
    await world.run(until=30)
    heard = await world.commit(partial(world.store.last_heard, "Nope", None))
    assert isinstance(heard, LastHeard)
    assert never_came(heard, T0 + 90) == (
        "Nope was never heard, as far as the storage knows.",
        f"The default source was last heard {when(0)} (1m ago).",
    )
    heard = await world.commit(partial(world.store.last_heard, "Disk", ""))
    assert never_came(heard, T0 + 7200)[0] == f"Disk was last heard {when(0)} (2h ago), as 1."
    heard = await world.commit(partial(world.store.last_heard, "", "eu"))
    assert never_came(heard, T0 + 90) == (
        "Source eu was never heard.",
        f"The default source was last heard {when(0)} (1m ago).",
    )


@pytest.mark.parametrize("wrong", ["", "0", "99", "x", "1/9", "1/1/1", "-1", "refused-1"])
async def test_an_unknown_id_is_refused(wrong: str) -> None:
    world = World()
    await world.post(of("Disk"))
    assert isinstance(await world.commit(partial(world.store.traced, wrong)), Refused)


async def test_french_says_as_much_as_english() -> None:
    world = World()
    await world.post(of("Disk"))
    await world.run(until=5)
    found = await trace(world, "1")
    places = {each.id: place_of(each) for each in found.deliveries}
    assert len(chain(found, places, "fr")) == len(chain(found, places))
    assert "Délivré" in chain(found, places, "fr")[-1]
    assert isinstance(found.deliveries[0], DeliveryTrace)


async def test_a_card_that_is_closed_by_hand_turns_white_and_fires_again_when_it_is_reported() -> (
    None
):
    world = World()
    await world.post(of("Disk"))
    await world.run(until=10)
    (card,) = await world.commit(partial(world.store.open_cards, 0, 9))
    closed = await world.commit(partial(world.store.close_card, card.number, world.now))
    assert isinstance(closed, ClosedCard)
    world.wakes[closed.lane] = world.now
    await world.run(until=20)
    (message,) = world.telegram.messages(CHAT)
    assert "⚪" in message.text
    assert await world.commit(partial(world.store.open_cards, 0, 9)) == ()
    world.now = T0 + 3600
    await world.post(of("Disk"))
    await world.run(until=3700)
    assert "⚪" not in world.telegram.messages(CHAT)[-1].text
    assert len(await world.commit(partial(world.store.open_cards, 0, 9))) == 1


async def test_a_card_of_which_the_chat_never_heard_is_closed_without_a_word() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 600)
    await world.post(of("Disk"))
    await world.run(until=10)
    (card,) = await world.commit(partial(world.store.open_cards, 0, 9))
    closed = await world.commit(partial(world.store.close_card, card.number, world.now))
    assert isinstance(closed, ClosedCard)
    world.wakes[closed.lane] = world.now
    await world.run(until=1200)
    assert world.telegram.messages(CHAT) == []
    assert [row.pending for row in world.balance()] == [0]
