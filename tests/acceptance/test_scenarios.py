"""Every error of both platforms at every step, over real HTTP: what the chat shows in the end, and
the balance.

Each row posts a group of two alerts (`post`), lets one of them resolve (`edit`), or lets a third
one join (`reply`, which an edit follows), while the platform answers as the row says, and reads the
chats two minutes later.
"""

import re
from collections.abc import Callable

import pytest
from msgspec import Struct
from msgspec.structs import replace

from relay.core.card.outcome import Outcome
from relay.core.card.step import Step
from relay.core.event import ChatMoved
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Route, Routing
from relay.core.secret import Secret
from relay.platforms import PLATFORMS
from relay.platforms.http import NoAnswer, Response
from relay.sandbox import discord_text
from relay.sandbox.discord_chats import Thread
from relay.sandbox.faults import FaultKind, PlatformName, Refusal
from relay.sandbox.reply import Call
from tests.build import POLICY, T0, alert, notification
from tests.world import (
    CHANNEL,
    CHANNEL_HOOK,
    CHAT,
    GROUP_CHAT,
    HOOK,
    SPARE,
    SPARE_CHAT,
    TOKEN,
    World,
    discord_target,
    telegram_target,
)
from tests.world_http import LITTLE_PATIENCE, PATIENCE, HttpWorld

TOPIC, NEW_GROUP = 7, -1_000_000_000_777
BEGIN, END = 100, 220  # seconds
FIRING, SHRUNK, GREW, JOINED = (
    "🟠 warning Disk ×2",
    "🟠 warning Disk · db-1",
    "🟠 warning Disk ×3",
    "➕ warning Disk · db-3 · 3 firing now",
)
NAMED = JOINED
Spoil = Callable[[HttpWorld], None]


class Row(Struct, frozen=True):
    """`calls` are the platform's statuses with the seconds after the fault began; `shows` are the
    messages that stand, in the topic or thread where none is named; `?` marks one that says that it
    may be repeated."""

    error: str
    platform: PlatformName
    step: str
    outcome: str
    calls: str
    shows: tuple[str, ...]
    books: str = "delivered 2"


def world(platform: PlatformName, patience: float = PATIENCE) -> HttpWorld:
    """A topic or thread with a chat to fall back on."""
    policy = replace(POLICY, fallback="spare")
    spare = telegram_target(SPARE, replace(POLICY, receiver="spare"))
    telegram = telegram_target(replace(GROUP_CHAT, thread=str(TOPIC)), policy)
    discord = discord_target(policy)
    discord = replace(
        discord, endpoint=replace(discord.endpoint, lane=replace(CHANNEL_HOOK, thread=str(TOPIC)))
    )
    made = HttpWorld(telegram if platform == "telegram" else discord, spare, patience=patience)
    made.telegram.chats[CHAT].topics = {TOPIC: "db"}
    made.discord.channels[CHANNEL].threads = {TOPIC: Thread(TOPIC, "db")}
    return made


def spoil(world: HttpWorld, row: Row) -> None:
    """What goes wrong."""
    target = str(CHAT) if row.platform == "telegram" else str(HOOK)
    if row.error in FAULTS:
        world.faults.add(row.platform, target, FAULTS[row.error], count=1, seconds=7)
    elif row.error in EVENTS:
        EVENTS[row.error](world)
    else:
        refusal, count = REFUSALS[row.error]
        world.faults.add(row.platform, target, "refused", count=count, refusal=refusal)


def delete(world: HttpWorld) -> None:
    for message in world.telegram.messages(CHAT):
        message.deleted_at = world.now
    for post in world.discord.messages(CHANNEL):
        post.deleted_at = world.now


def close_topic(world: HttpWorld) -> None:
    world.telegram.chats[CHAT].closed_topics.add(TOPIC)


def delete_topic(world: HttpWorld) -> None:
    world.telegram.chats[CHAT].topics = {}
    world.discord.channels[CHANNEL].threads = {}
    delete(world)


def lock_thread(world: HttpWorld) -> None:
    world.discord.channels[CHANNEL].threads[TOPIC].locked = True


def revoke(world: HttpWorld) -> None:
    world.telegram.bots[TOKEN].revoked = True


def change_token(world: HttpWorld) -> None:
    world.discord.webhooks[HOOK].token = "another"


def delete_webhook(world: HttpWorld) -> None:
    world.discord.webhooks[HOOK].gone = True


def upgrade(world: HttpWorld) -> None:
    world.telegram.upgrade(CHAT, NEW_GROUP).topics = {TOPIC: "db"}


EVENTS: dict[str, Spoil] = {
    "message deleted": delete,
    "topic closed": close_topic,
    "topic deleted": delete_topic,
    "thread locked": lock_thread,
    "group upgraded": upgrade,
    "kicked": lambda world: world.telegram.kick(CHAT),
    "token revoked": revoke,
    "token changed": change_token,
    "webhook deleted": delete_webhook,
}
FAULTS: dict[str, FaultKind] = {
    kind: kind
    for kind in (
        "500",
        "502",
        "429",
        "hang",
        "cut before",
        "cut after",
        "not json",
        "blocked",
        "ok false",
    )
}
REFUSALS: dict[str, tuple[Refusal, int | None]] = {
    "parse error": (Refusal(400, "Bad Request: can't parse entities: Unsupported start tag"), 1),
    "parse error always": (
        Refusal(400, "Bad Request: can't parse entities: Unsupported start tag"),
        None,
    ),
    "not modified": (
        Refusal(400, "Bad Request: message is not modified: specified new message content"),
        1,
    ),
    "50035": (Refusal(400, "Invalid Form Body", 50035), 1),
    "50035 always": (Refusal(400, "Invalid Form Body", 50035), None),
    "50013": (Refusal(403, "Missing Permissions", 50013), None),
    "30046": (
        Refusal(429, "Maximum number of edits to messages older than 1 hour reached.", 30046),
        1,
    ),
}
# the copy is delivered, what it stands for waits for the chat to be up again
COPIED = "delivered 2, pending 1"
ROWS = (
    Row("parse error", "telegram", "post", "Rejected", "400@0 200@1.1", (FIRING,), "delivered 1"),
    Row("parse error", "telegram", "edit", "Rejected", "400@0 200@1.1", (SHRUNK,)),
    Row("parse error", "telegram", "reply", "Rejected", "400@0 200@1.1", (GREW,)),
    Row(
        "parse error always",
        "telegram",
        "post",
        "Rejected",
        "400@0 400@1.1 200@1.1",
        (f"spare: {FIRING}",),
        "delivered 1, dead 1",
    ),
    Row(
        "parse error always",
        "telegram",
        "edit",
        "Rejected",
        "400@0 400@1.1 200@1.1",
        (FIRING, f"spare: {SHRUNK}"),
        "delivered 2, dead 1",
    ),
    Row("50035", "discord", "post", "Rejected", "400@0 200@0", (FIRING,), "delivered 1"),
    Row("50035", "discord", "edit", "Rejected", "400@0 200@0", (SHRUNK,)),
    Row("50035", "discord", "reply", "Rejected", "400@0 200@0", (GREW,)),
    Row(
        "50035 always",
        "discord",
        "post",
        "Rejected",
        "400@0 400@0",
        (f"spare: {FIRING}",),
        "delivered 1, dead 1",
    ),
    Row(
        "50035 always",
        "discord",
        "edit",
        "Rejected",
        "400@0 400@0",
        (FIRING, f"spare: {SHRUNK}"),
        "delivered 2, dead 1",
    ),
    Row(
        "topic deleted",
        "telegram",
        "post",
        "ThreadGone",
        "400@0 200@1.1",
        (f"main: {FIRING}",),
        "delivered 1",
    ),
    Row(
        "topic deleted",
        "telegram",
        "edit",
        "MessageGone",
        "400@0 400@1.1 200@2.2",
        (f"main: {SHRUNK}",),
    ),
    Row("topic deleted", "telegram", "reply", "ThreadGone", "400@0 200@1.1", (f"main: {GREW}",)),
    Row(
        "topic closed",
        "telegram",
        "post",
        "ThreadGone",
        "400@0 200@1.1",
        (f"main: {FIRING}",),
        "delivered 1",
    ),
    Row("topic closed", "telegram", "edit", "Delivered", "200@0", (SHRUNK,)),
    Row(
        "topic closed",
        "telegram",
        "reply",
        "ThreadGone",
        "400@0 200@1.1",
        (FIRING, f"main: {GREW}"),
    ),
    Row(
        "topic deleted",
        "discord",
        "post",
        "ThreadGone",
        "404@0 200@0",
        (f"main: {FIRING}",),
        "delivered 1",
    ),
    Row("topic deleted", "discord", "edit", "ThreadGone", "404@0 200@0", (f"main: {SHRUNK}",)),
    Row("topic deleted", "discord", "reply", "ThreadGone", "404@0 200@0", (f"main: {GREW}",)),
    Row(
        "thread locked",
        "discord",
        "post",
        "ThreadGone",
        "400@0 200@0",
        (f"main: {FIRING}",),
        "delivered 1",
    ),
    Row(
        "thread locked", "discord", "edit", "ThreadGone", "400@0 200@0", (FIRING, f"main: {SHRUNK}")
    ),
    Row(
        "thread locked", "discord", "reply", "ThreadGone", "400@0 200@0", (FIRING, f"main: {GREW}")
    ),
    Row(
        "group upgraded",
        "telegram",
        "post",
        "Moved",
        "400@0 200@0",
        (f"new: {FIRING}",),
        "delivered 1",
    ),
    Row("group upgraded", "telegram", "edit", "Moved", "400@0 200@1.1", (FIRING, f"new: {SHRUNK}")),
    Row("group upgraded", "telegram", "reply", "Moved", "400@0 200@1.1", (FIRING, f"new: {GREW}")),
    Row(
        "kicked",
        "telegram",
        "post",
        "ChatDown",
        "403@0 200@0",
        (f"spare: {FIRING}",),
        "delivered 1, pending 1",
    ),
    Row(
        "kicked",
        "telegram",
        "edit",
        "ChatDown",
        "403@0 200@0",
        (FIRING, f"spare: {SHRUNK}"),
        COPIED,
    ),
    Row(
        "kicked", "telegram", "reply", "ChatDown", "403@0 200@0", (FIRING, f"spare: {GREW}"), COPIED
    ),
    Row(
        "50013",
        "discord",
        "post",
        "ChatDown",
        "403@0",
        (f"spare: {FIRING}",),
        "delivered 1, pending 1",
    ),
    Row("50013", "discord", "edit", "ChatDown", "403@0", (FIRING, f"spare: {SHRUNK}"), COPIED),
    Row("50013", "discord", "reply", "ChatDown", "403@0 403@0", (FIRING, f"spare: {GREW}"), COPIED),
    Row(
        "token revoked", "telegram", "post", "BotDown", "401@0 401@0", (), "pending 2"
    ),  # the spare has the same bot
    Row(
        "token revoked",
        "telegram",
        "edit",
        "BotDown",
        "401@0 401@0",
        (FIRING,),
        "delivered 1, pending 2",
    ),
    Row(
        "token revoked",
        "telegram",
        "reply",
        "BotDown",
        "401@0 401@0",
        (FIRING,),
        "delivered 1, pending 2",
    ),
    Row(
        "token changed",
        "discord",
        "post",
        "BotDown",
        "401@0",
        (f"spare: {FIRING}",),
        "delivered 1, pending 1",
    ),
    Row(
        "token changed", "discord", "edit", "BotDown", "401@0", (FIRING, f"spare: {SHRUNK}"), COPIED
    ),
    Row(
        "token changed", "discord", "reply", "BotDown", "401@0", (FIRING, f"spare: {GREW}"), COPIED
    ),
    Row(
        "webhook deleted",
        "discord",
        "post",
        "ChatDown",
        "404@0",
        (f"spare: {FIRING}",),
        "delivered 1, pending 1",
    ),
    Row(
        "webhook deleted",
        "discord",
        "edit",
        "ChatDown",
        "404@0",
        (FIRING, f"spare: {SHRUNK}"),
        COPIED,
    ),
    Row(
        "webhook deleted",
        "discord",
        "reply",
        "ChatDown",
        "404@0",
        (FIRING, f"spare: {GREW}"),
        COPIED,
    ),
    Row("message deleted", "telegram", "edit", "MessageGone", "400@0 200@1.1", (SHRUNK,)),
    Row(
        "message deleted", "telegram", "reply", "Delivered", "200@0 400@1.1 200@2.2", (JOINED, GREW)
    ),
    Row("message deleted", "discord", "edit", "MessageGone", "404@0 200@0", (SHRUNK,)),
    Row("message deleted", "discord", "reply", "Delivered", "200@0 404@0 200@0", (NAMED, GREW)),
    Row("30046", "discord", "edit", "MessageGone", "429@0 200@0", (FIRING, SHRUNK)),
    Row("not modified", "telegram", "edit", "Delivered", "400@0", (FIRING,)),
    Row("429", "telegram", "post", "RateLimited", "429@0 200@7", (FIRING,), "delivered 1"),
    Row("429", "telegram", "edit", "RateLimited", "429@0 200@7", (SHRUNK,)),
    Row("429", "telegram", "reply", "RateLimited", "429@0 200@7 200@8.1", (GREW, JOINED)),
    Row("429", "discord", "post", "RateLimited", "429@0 200@7", (FIRING,), "delivered 1"),
    Row("429", "discord", "edit", "RateLimited", "429@0 200@7", (SHRUNK,)),
    Row("429", "discord", "reply", "RateLimited", "429@0 200@7 200@7", (GREW, NAMED)),
    Row("500", "telegram", "post", "Unavailable", "500@0 200@1.1", (FIRING,), "delivered 1"),
    Row("500", "telegram", "edit", "Unavailable", "500@0 200@1.1", (SHRUNK,)),
    Row("500", "telegram", "reply", "Unavailable", "500@0 200@1.1 200@2.2", (GREW, JOINED)),
    Row("500", "discord", "post", "Unavailable", "500@0 200@0.8", (FIRING,), "delivered 1"),
    Row("500", "discord", "edit", "Unavailable", "500@0 200@0.8", (SHRUNK,)),
    Row("500", "discord", "reply", "Unavailable", "500@0 200@0.8 200@0.8", (GREW, NAMED)),
    Row("502", "telegram", "post", "Unavailable", "502@0 200@1.1", (FIRING,), "delivered 1"),
    Row("502", "discord", "edit", "Unavailable", "502@0 200@0.8", (SHRUNK,)),
    Row("ok false", "telegram", "post", "Unavailable", "200@0 200@1.1", (FIRING,), "delivered 1"),
    Row("ok false", "telegram", "edit", "Unavailable", "200@0 200@1.1", (SHRUNK,)),
    Row("ok false", "telegram", "reply", "Unavailable", "200@0 200@1.1 200@2.2", (GREW, JOINED)),
    Row("ok false", "discord", "post", "Unknown", "200@0 200@15", (f"? {FIRING}",), "delivered 1"),
    Row("ok false", "discord", "edit", "Unknown", "200@0 200@15", (SHRUNK,)),
    Row("ok false", "discord", "reply", "Unknown", "200@0 200@15", (GREW,)),
    Row("not json", "telegram", "post", "Unknown", "200@0 200@15", (f"? {FIRING}",), "delivered 1"),
    Row("not json", "telegram", "edit", "Unknown", "200@0 200@15", (SHRUNK,)),
    Row("not json", "telegram", "reply", "Unknown", "200@0 200@15", (GREW,)),
    Row("not json", "discord", "post", "Unknown", "200@0 200@15", (f"? {FIRING}",), "delivered 1"),
    Row("not json", "discord", "edit", "Unknown", "200@0 200@15", (SHRUNK,)),
    Row("blocked", "telegram", "post", "Unavailable", "403@0 200@1.1", (FIRING,), "delivered 1"),
    Row("blocked", "telegram", "edit", "Unavailable", "403@0 200@1.1", (SHRUNK,)),
    Row("blocked", "telegram", "reply", "Unavailable", "403@0 200@1.1 200@2.2", (GREW, JOINED)),
    Row("blocked", "discord", "post", "Unavailable", "403@0 200@0.8", (FIRING,), "delivered 1"),
    Row("blocked", "discord", "edit", "Unavailable", "403@0 200@0.8", (SHRUNK,)),
    Row("blocked", "discord", "reply", "Unavailable", "403@0 200@0.8 200@0.8", (GREW, NAMED)),
    Row("hang", "telegram", "post", "Unknown", "504@0 200@30", (f"? {FIRING}",), "delivered 1"),
    Row("hang", "discord", "edit", "Unknown", "504@0 200@30", (SHRUNK,)),
    Row(
        "cut before", "telegram", "post", "Unknown", "502@0 200@15", (f"? {FIRING}",), "delivered 1"
    ),
    Row("cut before", "telegram", "edit", "Unknown", "502@0 200@15", (SHRUNK,)),
    Row(
        "cut before", "discord", "post", "Unknown", "502@0 200@15", (f"? {FIRING}",), "delivered 1"
    ),
    Row(
        "cut after",
        "telegram",
        "post",
        "Unknown",
        "200@0 200@15",
        (FIRING, f"? {FIRING}"),
        "delivered 1",
    ),
    Row("cut after", "telegram", "edit", "Unknown", "200@0 400@15", (SHRUNK,)),  # 400: not modified
    Row("cut after", "telegram", "reply", "Unknown", "200@0 200@15", (GREW, JOINED)),
    Row(
        "cut after",
        "discord",
        "post",
        "Unknown",
        "200@0 200@15",
        (FIRING, f"? {FIRING}"),
        "delivered 1",
    ),
    Row("cut after", "discord", "edit", "Unknown", "200@0 200@15", (SHRUNK,)),
    Row("cut after", "discord", "reply", "Unknown", "200@0 200@15", (GREW, NAMED)),
)
NEWS = {
    "post": notification(alert("db-1"), alert("db-2")),
    "edit": notification(alert("db-1"), alert("db-2", "resolved")),
    "reply": notification(alert("db-1"), alert("db-2"), alert("db-3")),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.platform}-{row.step}-{row.error}")
async def test_an_error_ends_as_the_table_says(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = outcomes(row.platform, monkeypatch)
    async with world(row.platform, LITTLE_PATIENCE if row.error == "hang" else PATIENCE) as run:
        if row.step != "post":
            await run.post(NEWS["post"])
            await run.run(until=10)
        run.now = T0 + BEGIN
        spoil(run, row)
        seen.clear()
        await run.post(NEWS[row.step])
        await run.run(until=END)
        calls = [call for call in platform_calls(run, row.platform) if call.at >= T0 + BEGIN]
        assert (
            " ".join(f"{call.status}@{round(call.at - T0 - BEGIN, 1):g}" for call in calls)
            == row.calls
        )
        assert not any(call.early for call in calls)
        assert shown(run, row.platform) == row.shows
        assert books(run) == row.books
    assert seen[0] == row.outcome


def test_every_outcome_has_a_row() -> None:
    assert {row.outcome for row in ROWS} == {kind.__name__ for kind in Outcome.__args__}


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_chat_that_refused_a_secret_is_called_at_once_with_the_new_one(
    platform: PlatformName,
) -> None:
    good = telegram_target() if platform == "telegram" else discord_target()
    wrong = Secret(good.endpoint.secret.reveal() + "x")
    relay = World(replace(good, endpoint=replace(good.endpoint, secret=wrong)))
    await relay.post(notification(alert("db-1")))
    await relay.run(until=4000)
    assert (relay.balance()[0].pending, relay.balance()[0].delivered) == (1, 0)
    relay.config.load(
        replace(relay.config.current, routing=Routing(Route("ops"), {"ops": (good,)}))
    )
    await relay.restart()
    await relay.run(until=4001)
    assert (relay.balance()[0].pending, relay.balance()[0].delivered) == (0, 1)


def is_shut(world: HttpWorld, *, shut: bool) -> None:
    """The topic is closed and the thread locked, or neither is."""
    world.telegram.chats[CHAT].closed_topics = {TOPIC} if shut else set()
    world.discord.channels[CHANNEL].threads[TOPIC].locked = shut


async def fires(world: HttpWorld, seconds: float, name: str) -> None:
    """A group of its own begins to fire."""
    world.now = T0 + seconds
    await world.post(replace(notification(alert(name, at=world.now)), group_key=name))
    await world.run(until=seconds + 60)


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_thread_that_is_open_again_takes_new_messages_an_hour_after_it_was_gone(
    platform: PlatformName,
) -> None:
    async with world(platform) as run:
        is_shut(run, shut=True)
        await fires(run, 0, "db-1")
        is_shut(run, shut=False)
        await fires(run, 3500, "db-2")
        await fires(run, 3700, "db-3")
        await run.post(replace(notification(alert("db-1", "resolved")), group_key="db-1"))
        await run.run(until=4000)
        assert [call.status for call in platform_calls(run, platform) if call.status != 200] == [
            400
        ]
    cards = [text for text in shown(run, platform) if "after" not in text]
    cards = [re.sub(r" · db-\d+$", "", each) for each in cards]
    single = SHRUNK.removesuffix(" · db-1")
    assert sorted(cards) == sorted(["main: 🟢 resolved Disk", f"main: {single}", single])
    assert [event.chat for event in run.events if isinstance(event, ChatMoved)] == [""]


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_thread_that_stays_shut_is_tried_once_an_hour(platform: PlatformName) -> None:
    async with world(platform) as run:
        is_shut(run, shut=True)
        for number in range(12 * 3):
            await fires(run, number * 300, f"db-{number}")
        refused = [
            int(call.at - T0) for call in platform_calls(run, platform) if call.status == 400
        ]
    assert refused == [0, 3600, 7200]
    hosts = {re.sub(r" · db-\d+$", "", each) for each in shown(run, platform)}
    assert hosts == {"main: 🟠 warning Disk"}
    assert len([event for event in run.events if isinstance(event, ChatMoved)]) == 1


async def test_a_deleted_webhook_is_called_once_in_a_day_of_notifications() -> None:
    async with world("discord") as run:
        delete_webhook(run)
        for hour in range(24):
            run.now = T0 + hour * 3600
            await run.post(notification(alert("db-1", at=run.now)))
            await run.run(until=hour * 3600 + 1800)
        assert [call.status for call in run.discord.calls] == [404]


def outcomes(platform: PlatformName, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the platform's file makes of each answer, in order."""
    seen: list[str] = []
    file = PLATFORMS[platform]
    judge = file.outcome

    def noted(lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
        outcome = judge(lane, step, response)
        seen.append(type(outcome).__name__)
        return outcome

    monkeypatch.setattr(file, "outcome", noted)
    return seen


def platform_calls(run: HttpWorld, platform: PlatformName) -> list[Call]:
    return run.telegram.calls if platform == "telegram" else run.discord.calls


def shown(run: HttpWorld, platform: PlatformName) -> tuple[str, ...]:
    """The first lines of what stands in all chats, with the place."""
    lines = [
        line(
            "" if message.thread else "main: ",
            discord_text.plain(message.shown.content, message.shown.embeds),
        )
        for message in run.discord.messages(CHANNEL)
    ]
    places = {CHAT: "", SPARE_CHAT: "spare: ", NEW_GROUP: "new: "}
    for chat in run.telegram.chats.values():
        lines += [
            line(
                "main: " if chat.id == CHAT and not message.topic else places[chat.id], message.text
            )
            for message in chat.shows()
        ]
    assert platform == "telegram" or not run.telegram.messages(CHAT)
    return tuple(lines)


def line(place: str, text: str) -> str:
    return place + ("? " if "repeated" in text else "") + text.partition("\n")[0]


def books(run: HttpWorld) -> str:
    """The balance over all rows, without zeros."""
    rows = run.balance()
    names = ("delivered", "merged", "duplicate", "muted", "expired", "dead", "pending")
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    return ", ".join(f"{name} {count}" for name, count in sums.items() if count)
