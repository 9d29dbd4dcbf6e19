"""An alert has one firing line in a chat, whichever groups and receivers of Alertmanager bring it;
a start after the last report is a new episode.
"""

import json
from functools import partial

import pytest
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, AlertStatus, GroupId
from relay.core.card.ripening import STALE_CLOSES_AFTER
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.matcher import parse
from relay.core.routing.route import Route, Routing
from relay.core.webhook.payload import parse as parse_body
from relay.store.sqlite.store import SqliteStore
from tests.build import GROUP, POLICY, T0, alert, notification
from tests.played import play
from tests.world import (
    API,
    CHANNEL,
    CHAT,
    SPARE,
    SPARE_CHAT,
    World,
    discord_target,
    telegram_target,
)

AFTER_ALL_CASES = 1795341600.0  # 22 November 2026, 10:00 UTC
HOUR = 3600.0
LINKED = -1_000_000_000_004  # a supergroup: its messages have links
OTHER = GroupId("", "relay", '{}:{alertname="Disk", cluster="prod"}')
THIRD = GroupId("", "relay", '{}:{alertname="Disk", namespace="infra"}')
RECEIVER = GroupId("", "all", '{}:{alertname="Disk"}')


class Case(Struct, frozen=True):
    """What stands in the chat after a case: how the first message begins, and each reply's text
    with whether it rang.
    """

    name: str
    first: str
    replies: tuple[tuple[str, bool], ...] = ()


RESOLVED = Case("", "🟢 resolved DiskFull · db-1", (("🟢 resolved after 59\u00a0min", False),))
AGAIN = Case("", "🔴 critical DiskFull · db-1", (("firing again", True),))
CASES = (
    replace(RESOLVED, name="regrouped"),
    replace(RESOLVED, name="rerouted"),
    replace(RESOLVED, name="receiver-renamed"),
    Case("two-am-receivers", "🔴 critical DiskFull · db-1"),
    replace(AGAIN, name="send-resolved-false"),
    replace(AGAIN, name="new-episode-after-stale"),
    replace(AGAIN, name="new-episode-no-resolve-reason"),
    replace(AGAIN, name="new-episode-no-resolve-noreason"),
    Case("constant-fingerprint", "🔴 critical DiskFull ×3"),
    Case("same-fingerprint-both-states", "🔴 critical Dup · a"),
    Case("same-fingerprint-both-states-2", "🔴 critical Dup · a"),
    Case(
        "subset-after-reload",
        "🔴 critical NodeDown ×20 · prod",
        (("reported again · 20 firing now", True),),
    ),
    Case(
        "silenced-then-back",
        "🔴 critical NodeDown ×2 · prod",
        (("node-01 · prod · 2 firing now", True), ("node-00 · prod · reported again", True)),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_case_shows_one_line_of_each_alert_in_each_chat(case: Case) -> None:
    world = World(telegram_target(), discord_target())
    world.now = AFTER_ALL_CASES
    await play(world, case.name)
    first, *replies = world.telegram.messages(CHAT)
    assert first.text.startswith(case.first)
    assert [
        (want in reply.text, not reply.silent)
        for reply, (want, _) in zip(replies, case.replies, strict=True)
    ] == [(True, loud) for _, loud in case.replies]
    shown, *lines = [m.shown.content.replace("**", "") for m in world.discord.messages(CHANNEL)]
    assert shown.startswith(case.first)
    assert [want in line for line, (want, _) in zip(lines, case.replies, strict=True)] == [
        True for _ in case.replies
    ]


async def test_a_payload_without_a_group_key_says_nothing_of_what_it_does_not_list() -> None:
    world = World()
    world.now = AFTER_ALL_CASES
    await play(world, "bare-alerts-only")
    backup, certificate, reply = world.telegram.messages(CHAT)
    assert backup.text.startswith("🟢 resolved BackupFailed · db-1")
    assert certificate.text.startswith("🟠 warning CertExpiring · www")
    assert reply.reply_to == backup.id


@pytest.mark.parametrize("per", ["group", "alert"])
async def test_a_value_in_a_label_that_is_to_be_ignored_makes_no_new_alert(per: str) -> None:
    policy = replace(POLICY, per=per, identity_ignores=frozenset({"value"}))
    world = World(telegram_target(policy=policy))
    world.now = AFTER_ALL_CASES
    await play(world, "value-as-label", gap=0.0)
    (only,) = world.telegram.messages(CHAT)
    assert only.text.startswith("🟠 warning HighCPU · db-1")
    assert "since 09:59" in only.text  # the start of the first of them


async def test_an_exporter_that_was_replaced_makes_no_new_alert_where_its_labels_are_ignored() -> (
    None
):
    ignores = frozenset({"pod", "instance"})
    world = World(telegram_target(policy=replace(POLICY, identity_ignores=ignores)))
    world.now = AFTER_ALL_CASES
    await play(world, "exporter-pod-replaced", gap=0.0)
    messages = world.telegram.messages(CHAT)
    assert sum(not message.silent for message in messages) == 1


def _of(value: str, status: AlertStatus = "firing", at: float = T0) -> Alert:
    """An alert of db-1 that has a value as a label."""
    told = alert("db-1", status, at=at)
    return replace(told, labels=told.labels | {"value": value}, fingerprint=f"db-1 {value}")


def _by_value(value: str) -> GroupId:
    return GroupId("", "relay", f'{{}}:{{value="{value}"}}')


@pytest.mark.parametrize("per", ["group", "alert"])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("apart", [1.0, 30.0])
async def test_a_value_that_is_ignored_makes_no_new_alert_in_another_group(
    per: str, ended: bool, apart: float
) -> None:
    """Groups are formed by the value. The end of the value before is posted first, or never."""
    policy = replace(POLICY, per=per, identity_ignores=frozenset({"value"}))
    world = World(telegram_target(policy=policy), discord_target(policy=policy))
    await world.post(notification(_of("90"), group=_by_value("90")))
    for number, value in enumerate(("91", "92", "90", "91")):
        await world.run(until=(number + 1) * HOUR)
        before = ("90", "91", "92", "90")[number]
        if ended:
            over = replace(_of(before, "resolved"), ends_at=world.now)
            await world.post(notification(over, group=_by_value(before)))
            await world.run(until=(number + 1) * HOUR + apart)
        await world.post(notification(_of(value, at=world.now), group=_by_value(value)))
    await world.run(until=5 * HOUR)
    first, *others = world.telegram.messages(CHAT)
    assert first.text.startswith("🟠 warning Disk · db-1")
    assert all(each.silent for each in others)
    assert not any("🟠" in each.text for each in others)
    assert [each.flags for each in world.discord.messages(CHANNEL)].count(0) == 1
    over = _of("91", "resolved", at=world.now - 60)
    await world.post(notification(over, group=_by_value("91")))
    await world.run(until=6 * HOUR)
    assert world.telegram.messages(CHAT)[0].text.startswith("🟢 resolved Disk · db-1")


async def test_after_late_hold_another_value_is_a_new_alert_of_its_own_group() -> None:
    policy = replace(POLICY, identity_ignores=frozenset({"value"}))
    world = World(telegram_target(policy=policy))
    await world.post(notification(_of("90"), group=_by_value("90")))
    await world.run(until=HOUR)
    over = replace(_of("90", "resolved"), ends_at=world.now)
    await world.post(notification(over, group=_by_value("90")))
    await world.run(until=HOUR + POLICY.late_hold + 5)
    await world.post(notification(_of("91", at=world.now), group=_by_value("91")))
    await world.run(until=2 * HOUR)
    loud = [each.text for each in world.telegram.messages(CHAT) if not each.silent]
    assert len(loud) == 2
    assert world.telegram.messages(CHAT)[0].text.startswith("🟢")


async def test_a_rise_in_another_group_is_one_line_with_its_twin() -> None:
    """Groups are formed by the severity, or receivers of Alertmanager are chosen by it."""
    world = World(telegram_target(), discord_target())
    critical = replace(alert("db-1", severity="critical"), fingerprint="critical")
    other = GroupId("", "pager", '{}/{severity="critical"}:{alertname="Disk"}')
    await world.post(notification(alert("db-1")))
    await world.run(until=HOUR)
    raised = replace(critical, starts_at=world.now)
    await world.post(notification(raised, group=other))
    await world.run(until=HOUR + 60)
    card, reply = world.telegram.messages(CHAT)
    assert card.text.startswith("🔴 critical Disk · db-1")
    assert (reply.text.startswith("🔴 now critical (was warning)"), reply.silent) == (True, False)
    await world.post(notification(alert("db-2")))  # the twin is inhibited
    await world.run(until=2 * HOUR)
    assert not any("no longer" in each.text for each in world.telegram.messages(CHAT))
    over = replace(raised, status="resolved", ends_at=world.now)
    await world.post(notification(over, group=other))
    await world.post(notification(alert("db-2", "resolved", ends=world.now)))
    await world.run(until=3 * HOUR)
    card, *replies = world.telegram.messages(CHAT)
    assert card.text.startswith("🟢 resolved")
    assert all(each.reply_to == card.id for each in replies)


async def test_one_fingerprint_merges_no_alerts_with_different_labels() -> None:
    """Of different payloads."""
    world = World(telegram_target(), discord_target())
    for name in ("db-1", "db-2"):
        told = {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": name},
            "startsAt": "2026-11-22T08:00:00Z",
            "fingerprint": "00000000000000ca",
        }
        body = {"groupKey": f"{{}}:{{instance={name!r}}}", "alerts": [told], "receiver": "relay"}
        for notified in parse_body(json.dumps(body).encode(), ""):
            await world.post(notified)
        await world.run(until=world.now - T0 + 10)
    texts = [each.text for each in world.telegram.messages(CHAT)]
    assert [("db-1" in text, "db-2" in text) for text in texts] == [(True, False), (False, True)]
    assert len(world.discord.messages(CHANNEL)) == 2


async def test_what_went_on_in_other_groups_ends_where_it_stands() -> None:
    """`group_by` was edited: two groups go on with the alerts of one."""
    world = World()
    await world.post(notification(alert("a"), alert("b")))
    await world.run(until=HOUR)
    await world.post(notification(alert("a"), group=OTHER))
    await world.post(notification(alert("b"), alert("c"), group=THIRD))
    await world.run(until=2 * HOUR)
    await world.post(notification(alert("a", "resolved", ends=world.now), group=OTHER))
    await world.run(until=2 * HOUR + 60)
    first = world.telegram.messages(CHAT)[0]
    assert "resolved" in first.text
    texts = [message.text for message in world.telegram.messages(CHAT)]
    assert sum("🟠 warning Disk · c" in text for text in texts) == 1
    ended = alert("b", "resolved", ends=world.now)
    await world.post(notification(ended, alert("c"), group=THIRD))
    await world.run(until=2 * HOUR + 120)
    assert world.telegram.messages(CHAT)[0].text.startswith("🟢 resolved Disk")
    await world.post(notification(alert("a", at=world.now), group=OTHER))
    await world.run(until=2 * HOUR + 180)
    assert sum("🟠 warning Disk · a" in m.text for m in world.telegram.messages(CHAT)) == 1


async def test_absence_counts_only_in_the_group_that_reported_the_alert_last() -> None:
    world = World()
    await world.post(notification(alert("a"), alert("b")))
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=10)
    await world.post(notification(alert("b")))  # the old group, late, without what went on
    await world.run(until=300)
    assert "no longer" not in world.telegram.messages(CHAT)[0].text
    await world.post(notification(alert("x", "resolved"), group=OTHER))
    await world.run(until=600)
    assert "no longer" in world.telegram.messages(CHAT)[0].text


async def test_repeats_of_two_receivers_that_bring_the_same_alerts_ring_once_each_time() -> None:
    world = World()
    for turn in range(4):
        await world.run(until=turn * 4 * HOUR)
        await world.post(notification(alert("a"), reason="repeat interval elapsed"))
        await world.run(until=turn * 4 * HOUR + 600)
        again = notification(alert("a"), group=RECEIVER, reason="repeat interval elapsed")
        await world.post(again)
    await world.run(until=16 * HOUR)
    assert len(world.telegram.messages(CHAT)) == 1 + 3


async def test_repeats_of_the_group_that_is_left_go_on_ringing() -> None:
    world = World()
    await world.post(notification(alert("a")))
    for turn in range(1, 4):
        await world.run(until=turn * 4 * HOUR)
        repeat = notification(alert("a"), group=OTHER, reason="repeat interval elapsed")
        await world.post(repeat)
    await world.run(until=16 * HOUR)
    assert len(world.telegram.messages(CHAT)) == 1 + 2  # the first of them only takes it over


@pytest.mark.parametrize("hours", [4, 12, 24])
async def test_each_repeat_rings_once_whatever_its_interval(hours: int) -> None:
    world = World()
    for turn in range(4):
        await world.run(until=turn * hours * HOUR)
        reason = "repeat interval elapsed" if turn else "first notification"
        await world.post(notification(alert("a"), reason=reason))
    await world.run(until=(3 * hours + 1) * HOUR)
    first, *repeats = world.telegram.messages(CHAT)
    assert "no report of this group" not in first.text
    assert [repeat.silent for repeat in repeats] == [False] * 3


async def test_a_repeat_of_a_stale_card_is_a_repeat() -> None:
    world = World(telegram_target(policy=replace(POLICY, stale_after=2 * HOUR)))
    await world.post(notification(alert("a")))
    await world.run(until=4 * HOUR)
    assert "no report of this group" in world.telegram.messages(CHAT)[0].text
    await world.post(notification(alert("a"), reason="repeat interval elapsed"))
    await world.run(until=5 * HOUR)
    first, repeat = world.telegram.messages(CHAT)
    assert "no report of this group" not in first.text
    assert not repeat.silent


async def test_a_card_that_nothing_speaks_for_any_more_closes() -> None:
    world = World()
    await world.post(notification(alert("a")))
    silent_for = POLICY.stale_after + STALE_CLOSES_AFTER
    await world.run(until=silent_for - 1)
    assert "no report of this group" in world.telegram.messages(CHAT)[0].text
    await world.run(until=silent_for + 60)
    (only,) = world.telegram.messages(CHAT)
    assert only.text.startswith("⚪ no longer reported Disk")


async def test_a_first_notification_of_an_open_card_proves_no_absence_for_five_minutes() -> None:
    """Alertmanager was restarted without its log, and knows half of the alerts yet."""
    world = World()
    await world.post(notification(alert("a"), alert("b"), reason="first notification"))
    await world.run(until=HOUR)
    await world.post(notification(alert("a"), reason="first notification"))
    await world.run(until=HOUR + 290)
    assert "no longer" not in world.telegram.messages(CHAT)[0].text
    await world.run(until=HOUR + 310)
    assert "no longer" in world.telegram.messages(CHAT)[0].text


async def test_the_next_payload_of_the_group_proves_it() -> None:
    world = World()
    await world.post(notification(alert("a"), alert("b"), reason="first notification"))
    await world.run(until=HOUR)
    await world.post(notification(alert("a"), reason="first notification"))
    await world.run(until=HOUR + 60)
    await world.post(notification(alert("a"), alert("c"), reason="new alerts added"))
    await world.run(until=HOUR + 70)
    assert "no longer" in world.telegram.messages(CHAT)[0].text


async def test_an_end_counts_in_a_chat_that_no_route_leads_to_any_more() -> None:
    """Routes of the relay and the groups of Alertmanager were edited in an incident."""
    old, new = telegram_target(), telegram_target(SPARE, replace(POLICY, receiver="spare"))
    receivers: dict[str, tuple[Target, ...]] = {"ops": (old,), "spare": (new,)}
    world = World(routing=Routing(Route("ops"), receivers))
    await world.post(notification(alert("a")))
    await world.run(until=60)
    await world.reload(Routing(Route("spare"), receivers))
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=120)
    ended = alert("a", "resolved", ends=world.now)
    await world.post(notification(ended, group=OTHER))
    await world.run(until=240)
    for chat in (CHAT, SPARE_CHAT):
        first = world.telegram.messages(chat)[0]
        assert first.text.startswith("🟢 resolved Disk"), chat


async def test_alertmanagers_of_two_sources_stay_apart() -> None:
    world = World()
    await world.post(notification(alert("a"), group=GroupId("eu", "relay", "{}:{}")))
    await world.post(notification(alert("a"), group=GroupId("us", "relay", "{}:{}")))
    await world.run(until=60)
    assert len(world.telegram.messages(CHAT)) == 2


async def test_a_card_remembers_the_last_seven_days_of_its_alert() -> None:
    world = World()
    for day in (0, 3, 6):
        await world.run(until=day * 24 * HOUR)
        began = world.now
        await world.post(notification(alert("a", at=began)))
        await world.run(until=day * 24 * HOUR + 600)
        await world.post(notification(alert("a", "resolved", at=began, ends=world.now)))
    for day, memory in ((9, "third time this week"), (20, "")):
        await world.run(until=day * 24 * HOUR)
        began = world.now
        await world.post(notification(alert("a", at=began)))
        await world.run(until=day * 24 * HOUR + 60)
        text = world.telegram.messages(CHAT)[-1].text
        assert memory in text
        assert ("this week" in text) == bool(memory)
        await world.post(notification(alert("a", "resolved", at=began, ends=world.now)))


@pytest.mark.parametrize("turned", [False, True])
async def test_of_two_receivers_that_share_a_chat_the_louder_one_decides_whatever_the_order(
    turned: bool,
) -> None:
    silent = telegram_target(policy=replace(POLICY, receiver="silent", silent=True))
    world = World(routing=two_receivers(silent, telegram_target()))
    alerts = (alert("a"), alert("b", severity="critical"))
    await world.post(notification(*(reversed(alerts) if turned else alerts)))
    await world.run(until=60)
    (only,) = world.telegram.messages(CHAT)
    assert not only.silent


def two_receivers(*targets: Target) -> Routing:
    """The first of them gets what is a warning, the second all else."""
    warnings, others = (target.policy.receiver for target in targets)
    child = Route(warnings, matchers=parse('severity="warning"'))
    routes = Route(others, routes=(child,))
    chats: dict[str, tuple[Target, ...]] = {each.policy.receiver: (each,) for each in targets}
    return Routing(routes, chats)


async def test_a_stale_card_is_none_of_what_fires() -> None:
    """`/alerts`, digests and summaries are asked for by the group's beginning, as people's are."""
    world = World(telegram_target(policy=replace(POLICY, stale_after=HOUR)))
    await world.post(notification(alert("a")))
    await world.run(until=60)
    assert len(await world.commit(partial(world.store.firing, GROUP))) == 1
    await world.run(until=2 * HOUR)
    assert await world.commit(partial(world.store.firing, GROUP)) == ()


async def test_what_the_rounds_of_a_card_say_is_not_said_again_by_its_memory() -> None:
    world = World()
    for minute in (0, 10):
        await world.run(until=minute * 60.0)
        began = world.now
        await world.post(notification(alert("a", at=began)))
        await world.run(until=minute * 60.0 + 120)
        if not minute:
            await world.post(notification(alert("a", "resolved", at=began, ends=world.now)))
    text = world.telegram.messages(CHAT)[-1].text
    assert "second time in" in text
    assert "this week" not in text


async def test_what_goes_on_elsewhere_is_told_with_a_link_there() -> None:
    """It was silenced, and fires again in another group: `group_by` was edited meanwhile."""
    world = World(
        telegram_target(LaneKey("telegram", API, "111", str(LINKED))), discord_target(guild="77")
    )
    world.telegram.add_chat(LINKED, "supergroup", "Linked")
    await world.post(notification(alert("a"), alert("b")))
    await world.run(until=10)
    await world.post(notification(alert("b"), reason="some alerts resolved"))
    await world.run(until=300)
    assert "no longer" in world.telegram.messages(LINKED)[0].text
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=400)
    first, second = world.telegram.messages(LINKED)
    assert second.text.startswith("🟠 warning Disk · a")
    assert "➡️ a: goes on in another message" in first.text
    assert f"https://t.me/c/4/{second.id}" in str(first.shown.content)
    old, new = world.discord.messages(CHANNEL)
    there = f"[goes on in another message](<https://discord.com/channels/77/{CHANNEL}/{new.id}>)"
    assert there in str(old.shown)
    await world.post(notification(alert("a", "resolved", ends=world.now), group=OTHER))
    await world.run(until=500)
    await world.post(notification(alert("b"), alert("c")))
    await world.run(until=600)
    assert "goes on" not in world.telegram.messages(LINKED)[0].text


async def test_of_two_open_cards_of_one_alert_the_younger_closes_with_a_link_to_the_older() -> None:
    """As a storage has them that a relay wrote which knew cards by groups alone."""
    lane = LaneKey("telegram", API, "111", str(LINKED))
    store = SqliteStore(":memory:")
    world, db = World(telegram_target(lane), store=store), store._db
    world.telegram.add_chat(LINKED, "supergroup", "Linked")
    await world.post(notification(alert("a")))
    await world.run(until=10)
    rows = db.execute("SELECT * FROM standing").fetchall()
    db.execute("DELETE FROM standing")
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=20)
    assert len(world.telegram.messages(LINKED)) == 2
    db.execute("DELETE FROM standing")
    places = ", ".join("?" * len(rows[0]))
    db.executemany(f"INSERT INTO standing VALUES ({places})", rows)
    await world.run(until=HOUR)
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=HOUR + 120)
    first, second, *_ = world.telegram.messages(LINKED)
    assert first.text.startswith("🟠 warning Disk · a")
    assert second.text.startswith("⚪ no longer reported Disk · a")
    assert f"https://t.me/c/4/{first.id}" in str(second.shown.content)
    assert sum(not each.silent for each in world.telegram.messages(LINKED)) <= 3


async def test_a_copy_that_fires_soon_after_the_end_goes_to_the_card_that_showed_it() -> None:
    world = World()
    await world.post(notification(alert("a")))
    await world.run(until=10)
    await world.post(notification(alert("a", "resolved", ends=world.now)))
    await world.run(until=30)
    await world.post(notification(alert("a"), group=OTHER))
    await world.run(until=50)
    card, reply = world.telegram.messages(CHAT)
    assert card.text.startswith("🟢 resolved Disk · a")
    assert reply.text.startswith("🟢 resolved after")
