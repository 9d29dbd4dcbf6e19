"""A relay and its chats together, as timetables on a fake clock."""

import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from relay.core.alert import AlertStatus, GroupId
from relay.core.event import Noted, TemplateFailed
from relay.core.routing.lane import Target
from relay.core.routing.matcher import parse
from relay.core.routing.route import Route, Routing
from relay.core.turn.change import AttemptResult
from relay.core.turn.compose import Composed, compose
from relay.core.turn.decide import Send, Situation
from relay.core.turn.finish import finish
from relay.core.webhook.payload import parse as parse_payload
from relay.delivery import pipeline
from relay.sandbox.faults import FaultKind, Refusal
from relay.sandbox.rates import Window
from relay.store.protocol import Ended, Lease, StoreError
from tests.build import POLICY, T0, alert, notification
from tests.world import (
    CHANNEL,
    CHAT,
    GROUP_CHAT,
    SPARE,
    SPARE_CHAT,
    World,
    discord_target,
    telegram_target,
)

P = ParamSpec("P")
T = TypeVar("T")


async def test_a_firing_group_is_posted_and_its_resolve_turns_the_same_message() -> None:
    world = World(telegram_target(), discord_target())
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=1)
    assert "Disk" in world.telegram.transcript(CHAT)
    assert "Disk" in world.discord.transcript(CHANNEL)
    world.now = T0 + 60
    await world.post(notification(alert("db-1", "resolved"), alert("db-2", "resolved")))
    await world.run(until=70)
    card, reply = world.telegram.messages(CHAT)
    assert card.text.startswith("🟢 resolved Disk")
    assert reply.text.startswith("🟢 resolved after")
    assert [(row.platform, row.delivered, row.pending) for row in world.balance()] == [
        ("discord", 2, 0),
        ("telegram", 2, 0),
    ]


async def test_what_the_platform_refuses_for_a_while_arrives_late_and_once() -> None:
    world = World()
    world.faults.add("telegram", "*", "502", until=T0 + 200)
    await world.post(notification(alert("db-1")))
    await world.run(until=900)
    (message,) = world.telegram.messages(CHAT)
    assert "late" in message.text
    assert world.balance()[0].delivered == 1


async def test_no_call_is_made_inside_a_retry_after() -> None:
    world = World(telegram_target(), discord_target())
    world.faults.add("telegram", "*", "429", count=1, seconds=7)
    world.faults.add("discord", "*", "429", count=1, seconds=5)
    await world.post(notification(alert("db-1")))
    await world.run(until=30)
    calls = [*world.telegram.calls, *world.discord.calls]
    assert [call.at - T0 for call in world.telegram.calls] == [0, 7]
    assert [call.at - T0 for call in world.discord.calls] == [0, 5]
    assert not any(call.early for call in calls)


async def test_a_cut_connection_repeats_the_message_and_says_so() -> None:
    world = World()
    world.faults.add("telegram", "*", "cut after", count=1)
    await world.post(notification(alert("db-1")))
    await world.run(until=30)
    first, second = world.telegram.messages(CHAT)
    assert "repeated" in second.text
    assert "repeated" not in first.text


async def test_an_attempt_in_doubt_after_a_crash_is_repeated_and_says_so() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    world.dying = True
    with pytest.raises(KeyboardInterrupt):
        await world.run(until=1)
    await world.restart()
    await world.run(until=30)
    (message,) = world.telegram.messages(CHAT)
    assert "repeated" in message.text


@pytest.mark.sqlite
@pytest.mark.parametrize("ahead", [3 * 3600.0, 10 * 365 * 86400.0])
async def test_after_a_clock_that_was_ahead_a_new_start_delays_nothing(ahead: float) -> None:
    world = World(telegram_target(), discord_target())
    world.telegram.chats[CHAT].pace = world.telegram.chats[CHAT].minute = Window(
        1000, 1.0
    )  # its own clock was right
    world.now = T0 + ahead
    await world.post(notification(alert("db-1")))
    await world.run(until=ahead + 10)
    world.faults.add("telegram", "*", "502", count=2)
    world.faults.add("discord", "*", "502", count=2)
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=ahead + 11)
    world.now = T0 + 100
    await world.restart()
    await world.run(until=130)
    assert "db-2" in world.telegram.transcript(CHAT)
    assert "db-2" in world.discord.transcript(CHANNEL)
    await world.post(notification(alert("db-1", "resolved"), alert("db-2", "resolved")))
    await world.run(until=160)
    assert "resolved Disk" in world.telegram.transcript(CHAT)
    assert "resolved Disk" in world.discord.transcript(CHANNEL)
    assert not any(row.pending or row.expired for row in world.balance())


async def test_what_a_chat_has_taken_is_written_down_as_soon_as_the_storage_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, failures = (
        World(),
        [StoreError("disk I/O error")] * 6,
    )  # each turn tries it with its work, then alone
    settle = world.store.settle

    def settle_in_the_end(lease: Lease, result: AttemptResult) -> tuple[Ended, ...]:
        if failures:
            raise failures.pop()
        return settle(lease, result)

    monkeypatch.setattr(pipeline, "SETTLE_AGAIN", 0.0)
    monkeypatch.setattr(world.store, "settle", settle_in_the_end)
    await world.post(notification(alert("db-1")))
    for _ in ("post", "fails", "fails", "fails", "settle"):
        await world.turn(GROUP_CHAT)
    assert [event.message for event in world.events if isinstance(event, Noted)] == [
        "cannot record what was sent, trying again"
    ] * 3
    assert [(row.delivered, row.pending) for row in world.balance()] == [(1, 0)]
    assert world.store.in_doubt(GROUP_CHAT) is None
    assert len(world.telegram.messages(CHAT)) == 1


async def test_a_message_whose_answer_a_bug_of_ours_swallowed_is_repeated_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    def fail_once(*_: object) -> AttemptResult:
        monkeypatch.setattr(pipeline, "finish", finish)
        raise ValueError("a bug")

    monkeypatch.setattr(pipeline, "finish", fail_once)
    await world.post(notification(alert("db-1")))
    with pytest.raises(ValueError, match="a bug"):
        await world.run(until=1)
    await world.run(until=30)
    first, second = world.telegram.messages(CHAT)
    assert "repeated" not in first.text
    assert "repeated" in second.text
    assert world.store.in_doubt(GROUP_CHAT) is None


async def test_a_chat_that_threw_us_out_is_replaced_by_the_fallback_until_the_group_is_over() -> (
    None
):
    spare = replace(POLICY, receiver="spare")
    world = World(
        telegram_target(policy=replace(POLICY, fallback="spare")), telegram_target(SPARE, spare)
    )
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    assert "Disk" in world.telegram.transcript(SPARE_CHAT)
    assert "↪️ for ops, whose chat could not be reached" in world.telegram.transcript(SPARE_CHAT)
    world.now = T0 + 20
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=100)
    assert "🟢 resolved Disk" in world.telegram.transcript(SPARE_CHAT)
    assert world.balance()[0].receiver == "ops"


async def test_a_card_that_its_own_route_brings_to_a_fallback_stands_for_nobody() -> None:
    spare = replace(POLICY, receiver="spare")
    world = World(
        telegram_target(policy=replace(POLICY, fallback="spare")), telegram_target(SPARE, spare)
    )
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.routing = replace(world.routing, root=replace(world.routing.root, receiver="spare"))
    await world.reload(world.routing)
    await world.post(notification(alert("db-1"), group=GroupId("", "relay", "two")))
    await world.run(until=20)
    assert "Disk" in world.telegram.transcript(SPARE_CHAT)
    assert "whose chat" not in world.telegram.transcript(SPARE_CHAT)


async def test_all_that_comes_while_a_chat_is_down_counts_once_there_and_once_at_its_fallback() -> (
    None
):
    spare = replace(POLICY, receiver="spare")
    world = World(telegram_target(policy=replace(POLICY, fallback="spare")), discord_target(spare))
    world.telegram.kick(CHAT)
    for number in range(1, 5):
        await world.post(notification(*(alert(f"db-{n}") for n in range(number))))
        await world.run(until=60.0 * number)
    books = {row.platform: row for row in world.balance()}
    telegram = books["telegram"]  # the oldest and the newest wait
    assert (telegram.accepted, telegram.pending, telegram.merged) == (4, 2, 2)
    assert (books["discord"].accepted, books["discord"].delivered, books["discord"].duplicate) == (
        4,
        4,
        0,
    )


async def test_a_group_that_became_a_supergroup_gets_its_message_at_the_new_id_once() -> None:
    world = World()
    world.telegram.upgrade(CHAT, -1_000_000_000_777)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    assert len(world.telegram.messages(-1_000_000_000_777)) == 1
    assert world.balance()[0].delivered == 1


async def test_a_supergroup_that_takes_no_more_is_left_alone_as_long_as_it_asks() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.telegram.upgrade(CHAT, -1_000_000_000_777)
    world.faults.add("telegram", "-1000000000777", "429", count=1, seconds=30)
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=100)
    assert [call.status for call in world.telegram.calls].count(429) == 1
    assert not any(call.early for call in world.telegram.calls)
    assert len(world.telegram.messages(-1_000_000_000_777)) == 1


async def test_what_is_resolved_while_its_message_is_drawn_is_not_shown_as_firing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    beside = pipeline._beside

    async def resolved_meanwhile(alerts: int, work: Callable[[], T]) -> T:
        drawn = await beside(alerts, work)
        if isinstance(drawn, Composed) and world.now == T0:
            world.now += 1
            await world.post(notification(alert("db-1", "resolved")))
        return drawn

    monkeypatch.setattr(pipeline, "_beside", resolved_meanwhile)
    await world.run(until=10)
    (message,) = world.telegram.messages(CHAT)
    assert [version.content.text.startswith("🟢") for version in message.versions] == [True]


async def test_a_card_that_no_turn_can_bring_does_not_hold_up_the_others_of_its_chat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    await world.post(notification(alert("web-1"), group=GroupId("", "relay", "{}:other")))

    def faulty(send: Send, situation: Situation, *rest: Any) -> Composed:
        if send.card.entries[0].fingerprint == "db-1":
            raise ZeroDivisionError
        return compose(send, situation, *rest)

    monkeypatch.setattr(pipeline, "compose", faulty)
    with pytest.raises(ZeroDivisionError):
        await world.run(until=1)
    await world.run(until=10)
    assert "web-1" in world.telegram.transcript(CHAT)
    monkeypatch.undo()
    await world.run(until=20)
    assert "db-1" in world.telegram.transcript(CHAT)


@pytest.mark.parametrize("kind", ["cut after", "refused"])
async def test_a_new_firing_gets_a_new_message_whatever_became_of_the_closing_reply(
    kind: FaultKind,
) -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    await world.post(notification(alert("db-1", "resolved")))
    world.faults.add("telegram", "*", kind, since=T0 + 10.5, until=T0 + 20)
    await world.run(until=60)
    assert world.telegram_calls() == ["sendMessage", "editMessageText", "sendMessage"]
    world.now = T0 + 4000
    await world.post(notification(alert("db-1", at=T0 + 3990)))
    await world.run(until=4010)
    own = world.telegram.messages(CHAT)[-1]
    assert own.text.startswith("🟠 warning Disk")
    assert not own.silent


async def test_a_held_firing_that_is_contradicted_leaves_nothing_pending() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=1)
    for at, status in ((60, "resolved"), (70, "firing"), (80, "resolved")):
        world.now = T0 + at
        await world.post(
            notification(alert("db-1", "resolved" if status == "resolved" else "firing"))
        )
        await world.run(until=at + 5)
    await world.run(until=200)
    assert len(world.telegram.messages(CHAT)) == 2
    assert [row.pending for row in world.balance()] == [0]


async def test_on_discord_a_short_line_that_links_to_the_card_stands_for_a_reply() -> None:
    world = World(discord_target(guild=""))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=20)
    card, closing = world.discord.messages(CHANNEL)
    link = (
        f"https://discord.com/channels/{world.discord.channels[CHANNEL].guild}/{CHANNEL}/{card.id}"
    )
    assert closing.shown.content == "🟢 resolved after 1\u00a0min · Disk · db-1"
    assert closing.shown.embeds[0]["description"] == f"[↑](<{link}>)"
    await world.post(notification(alert("db-2")))
    await world.run(until=30)
    await world.post(notification(alert("db-2", "resolved")))
    await world.run(until=40)
    assert [call.method for call in world.discord.calls].count("GET webhook") == 1


async def test_a_webhook_that_is_gone_when_its_server_is_asked_is_not_called_again() -> None:
    world = World(discord_target(guild=""))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    world.discord.webhooks[222].gone = True
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=20_000)
    assert [call.status for call in world.discord.calls] == [200, 404]


def reloaded(world: World, root: str, *targets: Target) -> None:
    """What a reload does: from now on only these chats are in force."""
    receivers: dict[str, tuple[Target, ...]] = {
        target.policy.receiver: (target,) for target in targets
    }
    world.config.load(replace(world.config.current, routing=Routing(Route(root), receivers)))


@pytest.mark.parametrize("folded", [False, True])
async def test_what_waits_for_a_chat_that_a_reload_removed_goes_where_the_routes_lead_now(
    folded: bool,
) -> None:
    world = World()
    world.faults.add("telegram", str(CHAT), "502")
    await world.post(notification(alert("db-1")))
    if folded:
        await world.run(until=10)
    reloaded(world, "spare", telegram_target(SPARE, replace(POLICY, receiver="spare")))
    await world.run(until=600)
    assert "Disk" in world.telegram.transcript(SPARE_CHAT)
    assert {
        row.receiver: (row.delivered, row.merged, row.dead, row.pending) for row in world.balance()
    } == {
        "ops": (0, 1, 0, 0),
        "spare": (1, 0, 0, 0),
    }


async def test_what_waits_in_the_digest_of_a_chat_that_a_reload_removed_is_routed_once_more() -> (
    None
):
    world = World()
    for number in range(60):
        await world.post(
            notification(alert(f"db-{number}"), group=GroupId("", "relay", f"{{}}:{number}"))
        )
    world.faults.add("telegram", str(CHAT), "502")
    await world.run(until=100)
    reloaded(world, "spare", telegram_target(SPARE, replace(POLICY, receiver="spare")))
    await world.run(until=600)
    assert "60 groups firing" in world.telegram.transcript(SPARE_CHAT)
    assert [row.pending for row in world.balance()] == [0, 0]


async def test_what_waits_for_a_removed_chat_is_dead_when_no_route_leads_anywhere() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    reloaded(world, "nobody")
    await world.run(until=600)
    assert [(row.dead, row.pending) for row in world.balance()] == [(1, 0)]


@pytest.mark.parametrize("status", ["firing", "resolved"])
async def test_what_waits_for_a_removed_chat_reaches_one_that_knows_an_older_state_of_the_group(
    status: AlertStatus,
) -> None:
    spare = telegram_target(SPARE, replace(POLICY, receiver="spare"))
    world = World(spare)
    earlier: AlertStatus = "firing" if status == "resolved" else "resolved"
    await world.post(notification(alert("db-1", earlier)))
    await world.run(until=60)
    reloaded(world, "ops", telegram_target())
    world.routing = world.config.current.routing
    world.faults.add("telegram", str(CHAT), "502")
    await world.post(notification(alert("db-1", status, at=T0 + 120 if status == "firing" else T0)))
    await world.run(until=70)
    reloaded(world, "spare", spare)
    await world.run(until=600)
    assert status in world.telegram.transcript(SPARE_CHAT).replace("🟠", "firing")


async def test_a_configuration_that_is_not_the_newest_leaves_alone_what_it_does_not_know() -> None:
    world = World(telegram_target(), telegram_target(SPARE))
    old, new = world.store.configured("old", T0), world.store.configured("new", T0)
    await world.post(notification(alert("db-1")))
    reloaded(world, "ops", telegram_target())
    world.config.load(replace(world.config.current, generation=old))
    await world.turn(SPARE)
    assert [(row.accepted, row.merged, row.dead) for row in world.balance()] == [(2, 0, 0)]
    world.config.load(replace(world.config.current, generation=new))
    await world.turn(SPARE)
    assert [(row.accepted, row.merged, row.dead) for row in world.balance()] == [(2, 1, 0)]


async def test_what_waits_for_a_removed_chat_does_not_undo_what_others_were_told_since() -> None:
    world = World(telegram_target(), telegram_target(SPARE))
    await world.post(notification(alert("db-1"), alert("db-2")))
    world.now += 1
    await world.post(notification(alert("db-1"), alert("db-2", "resolved")))
    reloaded(world, "ops", telegram_target())
    await world.turn(SPARE)
    await world.run(until=600)
    assert "db-2 · resolved" in world.telegram.transcript(CHAT)
    assert [(row.accepted, row.delivered, row.merged) for row in world.balance()] == [(4, 1, 3)]


async def test_alerts_that_waited_for_a_removed_chat_reach_one_that_had_others_of_the_payload() -> (
    None
):
    chats: dict[str, tuple[Target, ...]] = {
        "ops": (telegram_target(),),
        "spare": (telegram_target(SPARE, replace(POLICY, receiver="spare")),),
    }
    minor = Route("spare", parse('severity="info"'))
    world = World(routing=Routing(Route("ops", routes=(minor,)), chats))
    world.faults.add("telegram", str(SPARE_CHAT), "502")
    await world.post(notification(alert("db-1"), alert("db-2", severity="info")))
    await world.run(until=60)
    assert "db-2" not in world.telegram.transcript(CHAT)
    reloaded(world, "ops", telegram_target())
    await world.run(until=600)
    assert "db-1" in world.telegram.transcript(CHAT)
    assert "db-2" in world.telegram.transcript(CHAT)


@pytest.mark.parametrize("parts", [1, 3])
async def test_a_payload_in_parts_that_waited_for_a_removed_chat_arrives_whole(parts: int) -> None:
    world = World()
    whole = notification(*(alert(f"db-{number}") for number in range(parts)))
    for number, each in enumerate(whole.alerts):
        await world.post(replace(whole, alerts=(each,), part=number, parts=parts))
    reloaded(world, "spare", telegram_target(SPARE, replace(POLICY, receiver="spare")))
    await world.run(until=600)
    assert all(each.fingerprint in world.telegram.transcript(SPARE_CHAT) for each in whole.alerts)


@pytest.mark.parametrize("folded", [False, True])
async def test_what_waits_for_a_chat_whose_reload_is_taken_back_goes_back_to_the_one_before(
    folded: bool,
) -> None:
    ops, spare = telegram_target(), telegram_target(SPARE, replace(POLICY, receiver="spare"))
    world = World(ops)
    world.faults.add("telegram", str(CHAT), "502", until=T0 + 100)
    world.faults.add("telegram", str(SPARE_CHAT), "502", until=T0 + 100)
    await world.post(notification(alert("db-1")))
    if folded:
        await world.run(until=10)
    reloaded(world, "spare", spare)
    await world.run(until=50)
    reloaded(world, "ops", ops)
    await world.run(until=600)
    assert "db-1" in world.telegram.transcript(CHAT)
    assert {
        row.receiver: (row.delivered, row.merged, row.dead, row.pending) for row in world.balance()
    } == {
        "ops": (1, 1, 0, 0),
        "spare": (0, 1, 0, 0),
    }


async def test_a_fallback_shows_the_resolve_that_comes_when_the_receiver_has_another_chat() -> None:
    ops = telegram_target(policy=replace(POLICY, fallback="spare"))
    spare = telegram_target(SPARE, replace(POLICY, receiver="spare"))
    world = World(ops, spare, routing=Routing(Route("ops"), {"ops": (ops,), "spare": (spare,)}))
    world.telegram.add_chat(-1003, "supergroup", "Third")
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    mended = telegram_target(replace(SPARE, chat="-1003"), replace(POLICY, fallback="spare"))
    world.routing = Routing(Route("ops"), {"ops": (mended,), "spare": (spare,)})
    await world.reload(world.routing)
    world.now = T0 + 60
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=70)
    assert "🟢 resolved Disk" in world.telegram.transcript(-1003)
    assert "🟢 resolved Disk" in world.telegram.transcript(SPARE_CHAT)
    await world.run(until=200)
    assert "no longer reported" not in world.telegram.transcript(SPARE_CHAT)


async def test_the_fallback_of_a_fallback_that_is_down_gets_what_that_one_should_have_had() -> None:
    ops = telegram_target(policy=replace(POLICY, fallback="spare"))
    spare = telegram_target(SPARE, replace(POLICY, receiver="spare"))
    world = World(ops, spare, routing=Routing(Route("ops"), {"ops": (ops,), "spare": (spare,)}))
    world.telegram.add_chat(-1003, "supergroup", "Third")
    kicked = Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
    for chat in (CHAT, SPARE_CHAT):
        world.faults.add("telegram", str(chat), "refused", refusal=kicked)
    await world.post(notification(alert("db-1")))
    await world.run(until=60)
    instead = telegram_target(replace(SPARE, chat="-1003"), replace(POLICY, receiver="spare"))
    await world.reload(Routing(Route("ops"), {"ops": (ops,), "spare": (instead,)}))
    await world.run(until=600)
    assert "db-1" in world.telegram.transcript(-1003)
    assert [(row.accepted, row.delivered, row.merged, row.pending) for row in world.balance()] == [
        (3, 1, 1, 1)
    ]


async def test_a_chat_that_a_reload_removed_gets_no_more_deliveries() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    reloaded(world, "spare", telegram_target(SPARE, replace(POLICY, receiver="spare")))
    world.routing = world.config.current.routing
    await world.run(until=60)
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=120)
    assert {row.receiver: row.accepted for row in world.balance()} == {"ops": 1, "spare": 2}


async def test_a_message_that_the_platform_refuses_counts_against_its_template() -> None:
    world = World()
    world.faults.add("telegram", "*", "refused", count=1)
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    (failed,) = [event for event in world.events if isinstance(event, TemplateFailed)]
    assert failed.template == POLICY.template
    assert "Disk" in world.telegram.transcript(CHAT)


@pytest.mark.parametrize(("count", "beside"), [(3, False), (300, True)])
async def test_the_message_of_many_alerts_is_composed_beside_the_event_loop(
    count: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def noted(work: Callable[P, T]) -> Callable[P, T]:
        def note(*args: P.args, **kwargs: P.kwargs) -> T:
            seen.append(threading.current_thread() is not threading.main_thread())
            return work(*args, **kwargs)

        return note

    monkeypatch.setattr(pipeline, "compose", noted(compose))
    world = World()
    await world.post(notification(*(alert(f"db-{number}") for number in range(count))))
    await world.run(until=1)
    assert f"×{count}" in world.telegram.transcript(CHAT)
    assert seen == [beside]


async def test_a_malformed_alert_among_fifty_good_ones_is_told_by_its_raw_text() -> None:
    world = World()
    alerts: list[object] = [
        {
            "status": "firing",
            "labels": {"alertname": "Disk", "instance": f"db-{number}", "severity": "warning"},
            "fingerprint": f"{number:016x}",
        }
        for number in range(50)
    ]
    broken = {"status": "firing", "labels": [["alertname", "OvenOnFire"]]}
    body = {"version": "4", "groupKey": "{}:{}", "alerts": [*alerts[:25], broken, *alerts[25:]]}
    for told in parse_payload(msgspec.json.encode(body), ""):
        await world.post(told)
    await world.run(until=30)
    (message,) = world.telegram.messages(CHAT)
    assert "⚠️ This alert arrived malformed: its labels cannot be read: " in message.text
    assert "OvenOnFire" in message.text
