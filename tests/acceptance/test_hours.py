"""Hours: muted routes hold their alerts back, quiet receivers make no sound."""

from functools import partial

import pytest
from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.card import hours
from relay.core.event import EndReason, Settled, sentence
from relay.core.routing.interval import Period, TimeInterval, contains
from relay.core.routing.route import Route, Routing
from tests.build import GROUP, POLICY, T0, alert, notification
from tests.world import CHAT, GROUP_CHAT, World, telegram_target

# T0 is 11:06:40 UTC; the interval goes on until 11:30.
MORNING = TimeInterval("morning", (Period(minutes=((0, 690),)),))
UNTIL_HALF_PAST = 1400.0
DAY = 86_400.0


def muted(route: Route) -> World:
    target = telegram_target()
    return World(target, routing=Routing(route, {"ops": (target,)}), intervals=(MORNING,))


@pytest.mark.parametrize(
    "route",
    [
        Route("ops", mute=("morning",)),
        Route("ops", routes=(Route("ops", mute=("morning",)),)),
    ],
)
async def test_a_muted_route_shows_nothing_until_its_hours_are_over_and_then_the_present(
    route: Route,
) -> None:
    world = muted(route)
    await world.post(notification(alert("db-1")))
    world.now = T0 + 300
    await world.post(notification(alert("db-1"), alert("db-2")))
    await world.run(until=UNTIL_HALF_PAST - 1)
    assert world.telegram.calls == []
    assert [(row.muted, row.pending) for row in world.balance()] == [(2, 0)]
    await world.run(until=UNTIL_HALF_PAST + 60)
    (message,) = world.telegram.messages(CHAT)
    assert "Disk ×2" in message.text


async def test_a_mute_that_a_reload_took_away_keeps_nothing_back() -> None:
    world = muted(Route("ops", mute=("morning",)))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    active = world.config.current
    world.config.load(replace(active, routing=replace(active.routing, root=Route("ops"))))
    await world.commit(partial(world.store.recheck, world.now))
    await world.restart()
    await world.run(until=20)
    assert "Disk" in world.telegram.transcript(CHAT)


async def world_that_is_muted_while_an_alert_joins() -> World:
    later = replace(MORNING, periods=(Period(minutes=((670, 690),)),))
    target = telegram_target()
    routing = Routing(Route("ops", mute=("morning",)), {"ops": (target,)})
    world = World(target, routing=routing, intervals=(later,))
    await world.post(notification(alert("db-1")))
    await world.run(until=600)
    await world.post(notification(alert("db-1"), alert("db-2", severity="critical")))
    return world


async def test_an_alert_that_joined_while_a_mute_held_is_shown_when_a_reload_removes_the_mute() -> (
    None
):
    world = await world_that_is_muted_while_an_alert_joins()
    await world.run(until=610)
    await world.reload(Routing(Route("ops"), {"ops": (telegram_target(),)}))
    await world.run(until=620)
    assert "db-2" in world.telegram.transcript(CHAT)


async def test_a_resolve_that_a_mute_kept_back_is_shown_when_a_reload_removes_the_mute() -> None:
    world = muted(Route("ops"))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    routing = world.routing
    await world.reload(replace(routing, root=Route("ops", mute=("morning",))))
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=60)
    assert "resolved" not in world.telegram.transcript(CHAT)
    await world.reload(routing)
    await world.run(until=70)
    assert "resolved" in world.telegram.transcript(CHAT)


async def test_outside_the_active_hours_of_a_route_nothing_is_shown() -> None:
    world = muted(Route("ops", active=("morning",)))
    world.now = T0 + UNTIL_HALF_PAST + 60
    await world.post(notification(alert("db-1")))
    await world.run(until=UNTIL_HALF_PAST + 120)
    assert world.telegram.calls == []


async def test_what_was_over_before_the_mute_ended_is_never_told() -> None:
    world = muted(Route("ops", mute=("morning",)))
    await world.post(notification(alert("db-1")))
    world.now = T0 + 300
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=UNTIL_HALF_PAST + 600)
    assert world.telegram.calls == []


async def test_what_was_over_before_the_mute_ended_is_forgotten_when_its_time_comes() -> None:
    world = muted(Route("ops", mute=("morning",)))
    await world.post(notification(alert("db-1")))
    world.now = T0 + 300
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=UNTIL_HALF_PAST + 600)
    await world.commit(partial(world.store.purge, world.now, 1 << 30, 100))
    card = await world.commit(partial(world.store.card, GROUP_CHAT, GROUP, ""))
    assert card is None
    await world.post(notification(alert("db-2", at=world.now)))
    await world.run(until=UNTIL_HALF_PAST + 660)
    assert "db-2" in world.telegram.transcript(CHAT)


async def test_what_comes_and_goes_on_a_route_that_is_always_muted_is_forgotten() -> None:
    always, target = TimeInterval("always", (Period(),)), telegram_target()
    routing = Routing(Route("ops", mute=("always",)), {"ops": (target,)})
    world = World(target, routing=routing, intervals=(always,))
    await world.post(notification(alert("db-1")))
    world.now = T0 + 300
    await world.post(notification(alert("db-1", "resolved")))
    await world.run(until=400)
    await world.commit(partial(world.store.purge, world.now, 1 << 30, 100))
    assert await world.commit(partial(world.store.card, GROUP_CHAT, GROUP, "")) is None


async def test_what_fires_again_within_the_mute_is_shown_with_its_count_when_it_ends() -> None:
    world = muted(Route("ops", mute=("morning",)))
    for at, told in (
        (0, alert("db-1")),
        (300, alert("db-1", "resolved")),
        (400, alert("db-1", at=T0 + 390)),
    ):
        world.now = T0 + at
        await world.post(notification(told))
        await world.run(until=at + 10)
    await world.run(until=UNTIL_HALF_PAST + 60)
    (message,) = world.telegram.messages(CHAT)
    assert "second time in 23\u00a0min" in message.text
    assert not message.silent


async def test_quiet_hours_silence_all_but_the_urgent_and_end_with_one_loud_summary() -> None:
    world = World(telegram_target(policy=replace(POLICY, quiet=(MORNING,))))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    await world.post(notification(alert("db-1"), alert("db-2", severity="critical")))
    await world.run(until=UNTIL_HALF_PAST - 1)
    post, joined = world.telegram.messages(CHAT)
    assert post.silent
    assert not joined.silent  # critical is never silent unless told so
    await world.run(until=UNTIL_HALF_PAST + 60)
    summary = world.telegram.messages(CHAT)[-1]
    assert summary.text.startswith("🔔 quiet hours are over: 1 group fires")
    assert not summary.silent
    assert len(world.telegram.messages(CHAT)) == 3


SET_BY = (3 * 3600.0, -12 * 3600.0)  # out of the morning


@pytest.mark.parametrize("by", SET_BY)
async def test_a_clock_that_is_set_out_of_quiet_hours_brings_the_summary(by: float) -> None:
    world = World(telegram_target(policy=replace(POLICY, quiet=(MORNING,))))
    await world.post(notification(alert("db-1", severity="critical")))
    await world.run(until=10)
    world.config.part_clocks(by)
    await world.look_again()
    await world.run(until=20)
    assert world.telegram.messages(CHAT)[-1].text.startswith("🔔 quiet hours are over: 1 group")


async def test_after_a_clock_was_set_back_times_are_shown_by_it_and_waits_by_the_other() -> None:
    world = World()
    world.config.part_clocks(-3600.0)
    await world.post(notification(alert("db-1", at=T0 - 3600)))
    world.faults.add("telegram", "*", "502", text="web-1", until=T0 + 300)
    other = GroupId("", "relay", "{}:other")
    await world.post(notification(alert("web-1", at=T0 - 3600), group=other))
    await world.run(until=900)
    first, second = (message.text for message in world.telegram.messages(CHAT))
    assert "since 10:06 (0\u00a0s)" in first
    assert "since 10:06 (6\u00a0min)" in second
    assert "6\u00a0min late: this chat could not be reached from 10:06" in second


@pytest.mark.parametrize("by", SET_BY)
async def test_a_clock_that_is_set_out_of_a_mute_brings_what_the_mute_kept_back(by: float) -> None:
    """What no message names yet, and what joined on a card that was told before."""
    world = await world_that_is_muted_while_an_alert_joins()
    await world.post(notification(alert("web-1"), group=GroupId("", "relay", "{}:other")))
    await world.run(until=610)
    assert "db-2" not in world.telegram.transcript(CHAT)
    world.config.part_clocks(by)
    await world.look_again()
    await world.run(until=620)
    assert "db-2" in world.telegram.transcript(CHAT)
    assert "web-1" in world.telegram.transcript(CHAT)
    assert [row.pending for row in world.balance()] == [0]


async def test_quiet_hours_of_more_than_a_day_end_with_their_summary_and_not_before() -> None:
    # T0 is a Wednesday.
    days = TimeInterval("days", (Period(weekdays=((3, 5),)),))
    world = World(telegram_target(policy=replace(POLICY, quiet=(days,), stale_after=10 * DAY)))
    await world.post(notification(alert("db-1", severity="critical")))
    await world.run(until=2 * DAY)
    assert len(world.telegram.messages(CHAT)) == 1
    await world.run(until=3 * DAY)
    summary = world.telegram.messages(CHAT)[-1]
    assert summary.text.startswith("🔔 quiet hours are over: 1 group fires")
    assert [call.at > T0 + 2.5 * DAY for call in world.telegram.calls][-1]


async def test_a_digest_in_quiet_hours_makes_no_sound() -> None:
    world = World(telegram_target(policy=replace(POLICY, quiet=(MORNING,))))
    for number in range(60):
        await world.post(
            notification(alert(f"db-{number}"), group=GroupId("", "relay", f"{{}}:{number}"))
        )
    await world.run(until=60)
    (digest,) = world.telegram.messages(CHAT)
    assert "60 groups firing" in digest.text
    assert digest.silent


async def test_the_end_of_the_hours_is_looked_for_once_however_many_cards_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []

    def noted(interval: TimeInterval, at: float) -> bool:
        asked.append(at)
        return contains(interval, at)

    monkeypatch.setattr(hours, "contains", noted)
    night = replace(MORNING, name="night")
    world = World(telegram_target(policy=replace(POLICY, quiet=(night,))))
    for number in range(10):
        await world.post(
            notification(alert(f"db-{number}"), group=GroupId("", "relay", f"{{}}:{number}"))
        )
    await world.run(until=1)
    assert len([at for at in asked if at > T0 + 60]) < UNTIL_HALF_PAST / 60


async def test_a_digest_of_a_chat_that_muted_itself_stays_true_by_edits() -> None:
    world = World(telegram_target())
    for number in range(60):
        await world.post(
            notification(alert(f"db-{number}"), group=GroupId("", "relay", f"{{}}:{number}"))
        )
    await world.run(until=10)
    active = world.config.current
    target = telegram_target(policy=replace(POLICY, muted_until=T0 + 600))
    world.config.load(replace(active, routing=Routing(Route("ops"), {"ops": (target,)})))
    await world.post(notification(alert("db-0", "resolved"), group=GroupId("", "relay", "{}:0")))
    await world.run(until=599)
    (digest,) = world.telegram.messages(CHAT)
    assert "1 group over" in digest.text


async def test_quiet_hours_end_without_a_sound_when_nothing_urgent_fires() -> None:
    world = World(telegram_target(policy=replace(POLICY, quiet=(MORNING,))))
    await world.post(notification(alert("db-1")))
    await world.run(until=UNTIL_HALF_PAST + 600)
    message, summary = world.telegram.messages(CHAT)
    assert "1 group fires · 1 warning" in summary.text
    assert (message.silent, summary.silent) == (True, True)


async def test_the_summary_after_quiet_hours_tells_of_all_that_fires() -> None:
    world = World(telegram_target(policy=replace(POLICY, quiet=(MORNING,))))
    for number, severity in enumerate(("critical", "warning", "info")):
        of = GroupId("", "relay", f"{{}}:{number}")
        told = alert(f"db-{number}", severity=severity, name=f"Problem{number}")
        await world.post(notification(told, group=of))
    await world.run(until=UNTIL_HALF_PAST + 60)
    summary = world.telegram.messages(CHAT)[-1]
    assert "3 groups fire · 1 critical, 1 warning, 1 info" in summary.text
    assert all(f"Problem{number}" in summary.text for number in range(3))
    assert not summary.silent


async def test_a_delivery_that_was_muted_says_by_which_interval() -> None:
    world = muted(Route("ops", mute=("morning",)))
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    (ended,) = [event for event in world.events if isinstance(event, Settled)]
    assert (ended.settlement, ended.why) == ("muted", "morning")


async def test_a_chat_that_muted_itself_gets_nothing_new_and_its_messages_stay_true() -> None:
    world = World()
    await world.post(notification(alert("db-1")))
    await world.run(until=10)
    active = world.config.current
    target = telegram_target(policy=replace(POLICY, muted_until=T0 + 600))
    world.config.load(replace(active, routing=Routing(Route("ops"), {"ops": (target,)})))
    await world.post(notification(alert("db-1", "resolved")))
    other = GroupId("", "relay", "{}:other")
    await world.post(notification(alert("db-2", severity="critical"), group=other))
    await world.run(until=60)
    (message,) = world.telegram.messages(CHAT)
    assert message.text.startswith("🟢 resolved")
    assert [(row.delivered, row.muted, row.pending) for row in world.balance()] == [(2, 1, 0)]
    assert sentence(EndReason.MUTED) == "muted by its chat"
    await world.run(until=700)
    assert "db-2" in world.telegram.transcript(CHAT)
