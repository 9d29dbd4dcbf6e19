"""People and chats over real HTTP: an entire life with restarts in between, nothing twice and
nothing forgotten.
"""

import asyncio
import json
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from relay.core.event import BotListens, ChatMoved, Noted
from relay.sandbox.faults import UPDATES, FaultKind, Refusal
from relay.sandbox.reply import JsonObject
from relay.sandbox.server import Sandbox
from tests.acceptance.life import ADA, EVE, GROUP, PUBLIC, TOKEN, UPGRADED, Life, hurry, life
from tests.acceptance.processes import until
from tests.build import T0


@pytest.mark.slow
async def test_an_entire_life_with_restarts_in_between(sandbox: Sandbox, tmp_path: Path) -> None:
    telegram = sandbox.telegram
    async with life(sandbox, tmp_path) as here:
        hurry(telegram.chats[ADA])
        telegram.adds_bot(GROUP)
        telegram.says(GROUP, ADA, "/chatid@relay_bot")
        await here.reads(GROUP, "Chat id: -5")
        await here.post("a", severity="warning")
        await here.reads(GROUP, "Chat id: -5", "Disk")
        await here.restart()

        hurry(telegram.upgrade(GROUP, UPGRADED))
        await until("the group has moved", lambda: here.heard("migrated") == 2)
        assert [event.chat for event in here.events if isinstance(event, ChatMoved)] == [
            str(UPGRADED)
        ]
        await here.post("a", "z", severity="warning")
        await here.reads(UPGRADED, "Disk ×2")
        assert await here.chats() == {str(UPGRADED): "supergroup member"}
        await here.restart()

        await here.invite()
        telegram.says(EVE, EVE, "/start wrong")
        await here.reads(EVE, "This link does not work")
        telegram.says(ADA, ADA, "/start token")
        await here.reads(ADA, "You will get the alerts of “DBA on call”")
        assert "Disk" not in here.texts(ADA)[0]  # none of what fires already is critical
        telegram.says(EVE, EVE, "/start token")
        await here.reads(EVE, "This link does not work", "This link does not work")
        await here.restart()

        await here.post("b", name="Down")
        await here.reads(ADA, "You will", "critical Down")
        await here.reads(UPGRADED, "Disk ×2", "critical Down")
        telegram.says(UPGRADED, ADA, "/alerts severity=critical")
        await here.reads(UPGRADED, "Disk", "Down", "1 alert is open\n🔴 critical Down · b · since")

        telegram.says(ADA, ADA, "/mute 2h")
        await here.reads(ADA, "You will", "critical Down", "Muted until")
        await here.restart()
        await here.post("b", name="Down", status="resolved")
        await here.post("c", name="Oven")
        await here.shows(UPGRADED, "resolved Down", "resolved after", "critical Oven")
        await until("all is told or muted", here.at_rest)
        await here.reads(ADA, "You will", "resolved Down", "Muted until")
        telegram.says(ADA, ADA, "/alerts")
        await here.shows(ADA, "new alerts are shown after that.\n1 alert is open")
        telegram.says(ADA, ADA, "/mute 0")
        await here.shows(ADA, "Not muted", "critical Oven")
        assert len(here.texts(ADA)) == 6

        telegram.says(ADA, ADA, "/stop")
        await until("it is stopped", lambda: "Stopped" in here.texts(ADA)[-1])
        await here.restart()
        shown = here.texts(ADA)
        await here.post("c", name="Oven", status="resolved")
        await here.shows(UPGRADED, "resolved Oven")
        assert (here.texts(ADA), await here.subscriptions()) == (shown, ())

        await here.invite("again")
        telegram.says(ADA, ADA, "/start again")
        await until("Ada is back", lambda: "You will get" in here.texts(ADA)[-1])
        assert "1 alert is open" not in here.texts(ADA)[-1]
        telegram.kick(ADA)
        await until("a blocked bot ends it", lambda: here.heard("membership") == 2)
        assert await here.subscriptions() == ()
        await here.post("d", name="Fan")
        await here.shows(UPGRADED, "critical Fan")
        await until("nothing is pending", here.at_rest)
        books = await here.books()
        assert (books["subscription"].dead, books["subscription"].accepted) == (0, 3)
        assert here.heard("refused") == 2
        assert here.heard("repeated") == 0


@pytest.mark.medium
async def test_who_blocked_the_bot_unheard_is_found_by_the_next_alert_and_may_come_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path) as here:
        await here.invite(uses=2)
        sandbox.telegram.says(ADA, ADA, "/start token")
        await here.reads(ADA, "You will get")
        sandbox.telegram.chats[ADA].refusal = "bot was blocked by the user"
        await here.post("a")
        await until("the subscription ends", lambda: ended(here))
        assert await here.subscriptions() == ()
        await until("nothing is pending", here.at_rest)
        sandbox.telegram.adds_bot(ADA)
        sandbox.telegram.says(ADA, ADA, "/start token")

        async def subscribed() -> bool:
            return bool(await here.subscriptions())

        await until("the person is subscribed again", subscribed)
        await here.post("a", "b")
        await here.reads(ADA, "You will get", "You will get", "×2")


def ended(here: Life) -> bool:
    return any(
        isinstance(event, Noted) and event.message == "subscription ended" for event in here.events
    )


async def test_a_group_can_be_subscribed_by_a_link_and_is_answered_in_its_topic(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    forum = sandbox.telegram.add_chat(-1000000000009, "supergroup", "Forum", {7: "db"}).id
    hurry(sandbox.telegram.chats[forum])
    async with life(sandbox, tmp_path) as here:
        await here.invite()
        sandbox.telegram.says(forum, 0, "/start@relay_bot token", topic=7)
        await here.reads(forum, "That needs a name")
        sandbox.telegram.says(forum, ADA, "/start@relay_bot token", topic=7)
        await here.reads(forum, "That needs a name", "This group will get")
        sandbox.telegram.says(forum, EVE, "/stop", topic=7)
        await here.reads(
            forum, "That needs a name", "This group will get", "Only the person who subscribed"
        )
        await here.post("a")
        await here.reads(
            forum,
            "That needs a name",
            "This group will get",
            "Only the person who subscribed",
            "critical Disk",
        )
        assert {message.topic for message in sandbox.telegram.messages(forum)} == {7}


async def test_by_webhook_updates_come_with_the_secret_and_each_counts_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path, "webhook") as here:
        updates = sandbox.telegram.bots[TOKEN].updates
        await until("the webhook is set", lambda: updates.webhook == f"{PUBLIC}/telegram/111")
        await here.invite()
        sandbox.telegram.says(ADA, ADA, "/start token")
        (told,) = updates.queue
        assert await here.deliver() == [200]
        await here.reads(ADA, "You will get")
        secret = updates.secret
        for header, body, status in (
            (secret, json.dumps(told), 200),  # repeated
            (secret, json.dumps(told | {"update_id": 0}), 200),
            (secret, "{", 200),
            ("wrong", json.dumps(told | {"update_id": 99}), 401),
            ("", json.dumps(told | {"update_id": 99}), 401),
            ("ünd", json.dumps(told | {"update_id": 99}), 401),
            (secret, " " * (1 << 20) + "{}", 413),
        ):
            assert await send_update(here, header, body) == status
        assert await send_update(here, secret, json.dumps(told), account="112") == 401
        assert await send_no_text(here) == b"HTTP/1.1 401 "
        assert (here.heard("repeated"), here.heard("ignored"), here.heard("forged")) == (1, 2, 5)
        assert len(await here.subscriptions()) == 1
        await here.reads(ADA, "You will get")

        here.mode = "polling"
        here.write()
        assert await here.running.reload() == ()
        sandbox.telegram.says(ADA, ADA, "/subscriptions")
        await here.reads(ADA, "You will get", "“DBA on call”")
        assert updates.webhook == ""


async def send_update(here: Life, secret: str, body: str, account: str = "111") -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    url, data = f"http://{here.address}/telegram/{account}", BytesIO(body.encode())
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=data, headers=headers) as response,
    ):
        return response.status


async def send_no_text(here: Life) -> bytes:
    """An update whose secret is no UTF-8; how the answer begins."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(here.address.rpartition(":")[2])
    )
    writer.write(
        b"POST /telegram/111 HTTP/1.1\r\nHost: r\r\nX-Telegram-Bot-Api-Secret-Token: \xff\r\n"
    )
    writer.write(b"Content-Length: 2\r\n\r\n{}")
    began: bytes = await reader.readexactly(13)
    writer.close()
    return began


@pytest.mark.medium
async def test_a_webhook_of_another_program_is_named_with_its_remedy_and_left_alone(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.bot.polling.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("relay.bot.polling.HOLD", 1)
    sandbox.telegram.add_bot(TOKEN, "relay_bot").updates.webhook = "https://other.example.org/hook"
    theirs = sandbox.telegram.bots[TOKEN]
    async with life(sandbox, tmp_path) as here:
        sandbox.telegram.bots[TOKEN] = theirs
        await until("it is named", lambda: bool(deaf(here)))
        assert "setup telegram --delete-webhook" in deaf(here)[0].remedy
        assert theirs.updates.webhook == "https://other.example.org/hook"
        theirs.updates.webhook = ""
        await until("it listens", lambda: BotListens("111", listens=True) in here.events)


async def test_a_second_poller_and_a_broken_network_are_named_and_passed(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.bot.polling.FIRST_PAUSE", 0.01)
    conflict = Refusal(409, "Conflict: terminated by other getUpdates request")
    sandbox.faults.add("telegram", UPDATES, "refused", count=3, refusal=conflict)
    async with life(sandbox, tmp_path) as here:
        await until("it is named", lambda: bool(deaf(here)))
        assert "another program polls this bot" in deaf(here)[0].remedy
        await until("it listens", lambda: BotListens("111", listens=True) in here.events)
        sandbox.faults.add("telegram", UPDATES, "502", count=2)
        sandbox.faults.add("telegram", UPDATES, "not json", count=1)
        sandbox.telegram.says(ADA, ADA, "/help")
        await here.reads(ADA, "This bot sends alerts to people who were invited")


def deaf(here: Life) -> list[BotListens]:
    return [event for event in here.events if isinstance(event, BotListens) and not event.listens]


@pytest.mark.medium
@pytest.mark.parametrize("kind", ["refused", "blocked"])
async def test_an_answer_that_is_refused_for_its_style_is_given_without(
    sandbox: Sandbox, tmp_path: Path, kind: FaultKind
) -> None:
    async with life(sandbox, tmp_path) as here:
        await here.invite()
        sandbox.faults.add("telegram", str(ADA), kind, text='"entities"')
        sandbox.telegram.says(ADA, ADA, "/start token")
        await here.reads(ADA, "You will get")
        sandbox.telegram.says(ADA, ADA, "/alerts")
        await until("it is answered", lambda: "open" in here.texts(ADA)[-1])
        calls = [call for call in sandbox.telegram.calls if call.method == "sendMessage"]
        assert len(calls) <= 4


@pytest.mark.medium
async def test_a_flood_of_commands_delays_no_alert(sandbox: Sandbox, tmp_path: Path) -> None:
    async with life(sandbox, tmp_path) as here:
        hurry(sandbox.telegram.chats[GROUP])
        for _ in range(300):
            sandbox.telegram.says(GROUP, EVE, "/help")
        await here.post("a")
        await here.shows(GROUP, "Disk")
        await until("all are heard", lambda: here.heard("command") == 300)
        helped = [text for text in here.texts(GROUP) if "/chatid" in text]
        assert len(helped) <= 6
        assert not any(call.status == 429 for call in sandbox.telegram.calls)


async def test_the_commands_are_published_for_groups_and_private_chats(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path):
        menus = sandbox.telegram.bots[TOKEN].menus
        await until("they are published", lambda: len(menus) == 4)
        assert {key: [each["command"] for each in menu] for key, menu in menus.items()} == {
            (scope, language): names
            for scope, names in (
                (
                    "all_private_chats",
                    ["subscriptions", "mute", "stop", "alerts", "chatid", "help"],
                ),
                ("all_group_chats", ["chatid", "alerts", "help"]),
            )
            for language in ("", "fr")
        }


async def test_updates_that_mean_no_good_leave_no_trace(sandbox: Sandbox, tmp_path: Path) -> None:
    async with life(sandbox, tmp_path) as here:
        updates = sandbox.telegram.bots[TOKEN].updates
        hostile: tuple[dict[str, JsonObject], ...] = (
            {"poll": {}},
            {"message": {}},
            {"message": {"chat": []}},
            {"my_chat_member": {"chat": {"id": 10**30, "type": "group"}}},
            {"edited_message": {"chat": {"id": EVE, "type": "private"}, "text": "/stop"}},
        )
        for what in hostile:
            for kind, told in what.items():
                updates.add(kind, told)
        await until("all are ignored", lambda: here.heard("ignored") == 5)
        sandbox.telegram.says(EVE, EVE, "/start " + "x" * 4000)
        sandbox.telegram.says(EVE, EVE, "/start ../../<b>&\x00")
        await here.reads(EVE, "This link does not work", "This link does not work")
        await here.post("a")
        await here.reads(GROUP, "Disk")
        books = await here.books()
        assert set(books) == {"ops"}


async def test_a_webhook_that_was_changed_is_set_again_and_its_errors_are_named(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.bot.polling.CHECK_EVERY", 0.05)
    async with life(sandbox, tmp_path, "webhook") as here:
        updates = sandbox.telegram.bots[TOKEN].updates
        await until("the webhook is set", lambda: updates.webhook == f"{PUBLIC}/telegram/111")
        updates.webhook = "https://other.example.org/hook"
        await until("it is set again", lambda: updates.webhook == f"{PUBLIC}/telegram/111")
        updates.error, updates.error_at = "Connection refused", int(T0 * 2)
        await until("it is named", lambda: bool(deaf(here)))
        assert (deaf(here)[0].why, deaf(here)[0].remedy) == (
            "Connection refused",
            f"make {PUBLIC}/telegram/111 reach this relay",
        )


@pytest.mark.medium
async def test_a_reload_takes_a_bot_s_ears_away_and_gives_them_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with life(sandbox, tmp_path) as here:
        sandbox.telegram.says(ADA, ADA, "/help")
        await here.reads(ADA, "This bot sends alerts")
        here.mode = "none"
        here.write()
        assert await here.running.reload() == ()
        sandbox.telegram.says(ADA, ADA, "/help")
        here.mode, here.language = "polling", "fr"
        here.write()
        assert here.heard("command") == 1
        assert await here.running.reload() == ()
        await here.reads(ADA, "This bot sends alerts", "This bot sends alerts")
        assert here.heard("repeated") == 0
        sandbox.telegram.says(GROUP, ADA, "/chatid")
        await here.reads(GROUP, "Identifiant de la discussion\u00a0: -5")


async def test_going_back_to_polling_leaves_the_webhook_of_another_program_alone(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.bot.polling.FIRST_PAUSE", 0.01)
    async with life(sandbox, tmp_path, "webhook") as here:
        updates = sandbox.telegram.bots[TOKEN].updates
        await until("the webhook is set", lambda: updates.webhook == f"{PUBLIC}/telegram/111")
        updates.webhook = "https://other.example.org/hook"
        here.mode = "polling"
        here.write()
        assert await here.running.reload() == ()
        await until("it is named", lambda: bool(deaf(here)))
        assert updates.webhook == "https://other.example.org/hook"
