"""Acting from the chat in a running relay: what people press in Telegram and Discord, what becomes
of it at Alertmanager, and what all cards show of it.
"""

import asyncio
import json
import time
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.routing.matcher import Matcher
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram_updates import Query
from tests.acceptance.acting import (
    ACTIONS,
    ANNA,
    ANNA_ON_DISCORD,
    APPLICATION,
    BEN,
    CHANNEL,
    CHAT,
    DISCORD_USER,
    EVE,
    SPARE,
    acting,
)
from tests.acceptance.processes import processes, start_relay, until
from tests.twin_alertmanager import TwinSilence


@pytest.mark.medium
async def test_a_take_shows_on_the_cards_of_all_chats_and_is_given_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        await here.post("a", "b")
        await here.shows("Crash")
        assert list(here.buttons()) == list(here.channel_buttons()) == ["✋ Take"]
        assert await here.press("✋ Take") == "It is yours."
        await here.shows("✋ Anna since")
        assert list(here.buttons()) == ["↩ Release"]
        assert "Anna has it since" in await here.press("↩ Release", EVE)
        assert (await here.press_in_channel("↩ Release")).shown == "Nobody has it now."
        await here.shows(absent="✋ Anna")
        assert len(here.texts(CHAT)) == 1


@pytest.mark.medium
async def test_a_take_is_of_the_alerts_that_were_shown_and_ends_with_them(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        await here.post("a")
        await here.shows("Crash")
        assert await here.press("✋ Take", BEN) == "It is yours."
        await here.shows("✋ Ben since")
        await here.post("a", "b")
        await until("who joins is not taken", lambda: "1 new since" in here.texts(CHAT)[0])
        await here.restart()
        message = here.sandbox.telegram.messages(CHAT)[0]
        assert "✋ Ben since" in message.text
        await here.post("a", "b", status="resolved")
        await until("it is over", lambda: "🟢" in here.texts(CHAT)[0])
        assert "✋" not in here.texts(CHAT)[0]


@pytest.mark.medium
async def test_without_actions_there_are_no_buttons_and_an_old_one_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        await here.post("a")
        await here.shows("Crash")
        await here.press("✋ Take")
        await here.shows("✋ Anna")
        data = here.buttons()["↩ Release"]
        here.actions = ""
        await here.restart()
        await here.shows("Crash", absent="✋")
        assert (here.buttons(), here.channel_buttons()) == ({}, {})
        message = here.sandbox.telegram.messages(CHAT)[-1]
        (query,) = here.sandbox.telegram.presses(
            CHAT, message.id, ANNA, data, at=here.sandbox.clock()
        )
        await until("it is answered", lambda: query.answer is not None)
        assert query.answer == "Buttons are switched off."


@pytest.mark.medium
async def test_a_press_makes_one_silence_that_all_cards_show_until_it_is_ended(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path) as here:
        await here.post("a", "b")
        await here.shows("Crash")
        assert list(here.buttons()) == ["✋ Take", "🔕 1 h", "🔕 4 h", "🔕 …"]
        assert "You may not" in await here.press("🔕 1 h", EVE)
        assert await here.press("🔕 1 h") == "Asking Alertmanager for 1\u00a0h: 2 alerts."
        await here.shows("🔕 until", " · Anna\n")
        (comment,) = here.silences
        assert comment.endswith(": Crash, by Anna (telegram 12)]")
        await until("it may be ended", lambda: "🔔 End silence" in here.buttons())
        handed = await here.press_in_channel("🔔 End silence")
        assert handed.shown == "Asking Alertmanager to end it."
        await here.shows(absent="🔕 until")
        assert here.silences == []
        assert "🔕 1 h" in here.buttons()


@pytest.mark.medium
async def test_a_silence_made_elsewhere_shows_and_its_alerts_count_as_reported(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path) as here:
        await here.post("a", group="g")
        await here.shows("Crash")
        matchers = (Matcher("alertname", "=", "Crash"),)
        now = here.twin.now
        here.twin.cluster.silences["s1"] = TwinSilence(
            "s1", matchers, now - 1, now + 3600.0, "Ben", "deploy", now - 1, here.twin.name
        )
        await here.shows("🔕 until", "Ben: deploy")
        here.twin.cluster.silences.clear()
        await here.shows(absent="🔕 until")


@pytest.mark.medium
async def test_what_a_payload_no_longer_lists_is_asked_for_at_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, poll="1h") as here:
        await here.post("a", "b")
        await here.shows("Crash")
        matchers, now = (Matcher("pod", "=", "b"),), here.twin.now
        here.twin.cluster.silences["s1"] = TwinSilence(
            "s1", matchers, now - 1, now + 3600.0, "Ben", "deploy", now - 1, here.twin.name
        )
        await here.post("a")
        await here.shows("🔕 until", "Ben: deploy")


@pytest.mark.medium
async def test_a_failing_alertmanager_changes_no_card_and_gets_one_silence(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, poll="1h") as here:
        await here.post("a")
        await here.shows("Crash")
        # counting succeeds, the answer to the POST is lost after the deed
        here.twin.faults.extend((None, "lost after"))
        await here.press("🔕 1 h")
        await here.shows("🔕 until")
        assert len(here.twin.cluster.silences) == 1


@pytest.mark.medium
async def test_a_reload_takes_everything_away_and_brings_it_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path) as here:
        await here.post("a")
        await here.shows("Crash")
        await here.press("✋ Take")
        await here.press("🔕 1 h")
        await here.shows("✋ Anna since", "🔕 until")
        kept, here.actions, here.has_alertmanager = here.actions, "", False
        here.write()
        assert await here.running.reload() == ()
        await here.shows("Crash", absent="✋")
        await here.shows("Crash", absent="🔕")
        assert (here.buttons(), here.channel_buttons()) == ({}, {})
        assert len(here.texts(CHAT)) == 1
        here.actions, here.has_alertmanager = kept, True
        here.write()
        assert await here.running.reload() == ()
        await here.shows("✋ Anna since", "🔕 until")


WATCHDOG = """\
heartbeats:
  - {name: prometheus, matchers: [alertname="Watchdog"], every: 1s, grace: 1s, receiver: leads,
     ping_url_file: ping}
"""


@pytest.mark.medium
async def test_a_heartbeat_is_lost_and_back_and_is_no_message_of_its_own(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        (tmp_path / "ping").write_text(f"{here.twin_url}/api/v2/status")
        here.more = WATCHDOG
        await here.restart()
        await here.post("w", name="Watchdog")
        await until("the outside is pinged", lambda: bool(here.twin.calls))
        await until("it is lost", lambda: len(here.texts(SPARE)) == 1)
        assert "NO NEWS from prometheus since" in here.texts(SPARE)[0]
        assert here.texts(CHAT) == []
        assert not sandbox.telegram.messages(SPARE)[0].silent
        await here.restart()  # it is told once
        await here.post("a")
        await here.shows("Crash", "no news from prometheus since")
        await here.post("w", name="Watchdog")
        await until("it is back", lambda: "🟢" in here.texts(SPARE)[0])


ESCALATE = """\
    escalate:
      matchers: [severity="critical"]
      steps: [{after: 1s, mention: [Anna]}, {after: 3s, receiver: leads}]
"""


@pytest.mark.medium
async def test_what_nobody_takes_rings_and_goes_to_another_receiver(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False, escalate=ESCALATE) as here:
        await here.post("a")
        await until("the group is told", lambda: len(here.texts(CHAT)) == 2)
        card, reply = sandbox.telegram.messages(CHAT)
        assert "nobody has taken it for" in reply.text
        assert (reply.reply_to, reply.silent) == (card.id, False)
        await until("leads get it", lambda: len(here.texts(SPARE)) == 1)
        assert "Crash" in here.texts(SPARE)[0]
        await here.post("a", status="resolved")
        await until("it is over there as well", lambda: "🟢" in here.texts(SPARE)[0])
        # the card, the reminder, and its end
        await until("its end is told", lambda: len(here.texts(CHAT)) == 3)
        assert "left out" not in here.texts(CHAT)[0]


@pytest.mark.medium
async def test_what_was_taken_does_not_escalate(sandbox: Sandbox, tmp_path: Path) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False, escalate=ESCALATE) as here:
        await here.post("a")
        await here.shows("Crash")
        await here.press("✋ Take")
        await here.post("b", name="Other")
        await until("the other one rings", lambda: "nobody" in here.texts(CHAT)[-1])
        await until("and goes on", lambda: len(here.texts(SPARE)) == 1)
        assert "Other" in here.texts(SPARE)[0]
        assert sum("nobody" in text for text in here.texts(CHAT)) == 1


def is_answered(query: Query) -> bool:
    return query.answer is not None


@pytest.mark.slow
async def test_a_kill_between_a_press_and_its_answer_loses_and_doubles_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path) as here, processes(tmp_path) as running:
        await here.stop()
        config = tmp_path / "relay.yml"
        relay = await start_relay(running, config)
        for number, moment in enumerate((0.0, 0.02, 0.05, 0.1, 0.2, 0.4)):
            here.address = relay.url.removeprefix("http://")
            name = f"Crash{number}"
            await here.post("a", name=name)
            await here.shows(name)
            await until("it is written down", relay.at_rest)
            query = here.begin_press("🔕 1 h")
            await asyncio.sleep(moment)
            await relay.process.kill()
            relay = await start_relay(running, config)
            await here.shows(name, "🔕 until")
            assert sum(f": {name}, by" in each for each in here.silences) == 1
            await until("it is answered", partial(is_answered, query))


WIDE = ACTIONS.replace("may: [take, silence]}", "may: [take, silence, silence_wide]}")


@pytest.mark.medium
async def test_the_whole_group_is_silenced_from_a_menu_that_one_person_sees(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, actions=WIDE) as here:
        here.twin.alerts.append({"alertname": "Crash", "pod": "z", "namespace": "elsewhere"})
        await here.post("a")
        await here.shows("Crash")
        assert await here.press("🔕 …") == ""
        ephemerals = sandbox.telegram.chats[CHAT].ephemerals
        await until("the menu is there", lambda: bool(ephemerals))
        (menu,) = ephemerals.values()
        assert menu.user == ANNA
        assert "this alert: mutes 1 alert" in menu.text
        assert "the whole group: mutes 2 alerts, 1 of them elsewhere" in menu.text
        data = menu.buttons["group: 1 h"]
        now = sandbox.clock()
        other = sandbox.telegram.presses_ephemeral(CHAT, menu.id, EVE, data, at=now)
        await until("it is refused", lambda: other.answer is not None)
        assert "You may not" in (other.answer or "")
        query = sandbox.telegram.presses_ephemeral(CHAT, menu.id, ANNA, data, at=now)
        await here.shows("🔕 until", "Anna")
        assert "the whole group. It mutes 1 other alert." in (query.answer or "")
        (silence,) = here.twin.cluster.silences.values()
        assert [str(each) for each in silence.matchers] == ['alertname="Crash"']
        await until("the menu is gone", lambda: menu.deleted)
        assert len(here.texts(CHAT)) == 1


@pytest.mark.medium
@pytest.mark.parametrize("refused", ["", "text_link"])
async def test_a_silence_of_ones_own_length_by_a_reply_and_by_a_form(
    sandbox: Sandbox, tmp_path: Path, refused: str
) -> None:
    """Also where the question is refused for the person whom it names."""
    sandbox.telegram.knows_ephemerals = False
    if refused:
        sandbox.faults.add("telegram", str(CHAT), "refused", text=refused)
    async with acting(sandbox, tmp_path) as here:
        await here.post("a")
        await here.shows("Crash")
        assert "For how long?" in await here.press("🔕 …")
        await until("it is asked", lambda: len(here.texts(CHAT)) == 2)
        question = sandbox.telegram.messages(CHAT)[1]
        sandbox.telegram.replies(CHAT, ANNA, question.id, "90m")
        await until("it is silenced", lambda: "🔕 until" in here.texts(CHAT)[0])
        (silence,) = here.twin.cluster.silences.values()
        assert round(silence.ends_at - silence.starts_at, -1) == 5400
        await here.shows("🔕 until")
        await here.post("b", name="Other")
        await here.shows("Other")
        handed = await here.press_in_channel("🔕 …")
        sent = await here.gateway.submit(
            handed, {"duration": "2h", "reason": "deploy"}, ANNA_ON_DISCORD
        )
        await until("the form is answered", lambda: sent.answer is not None)
        await until("it is silenced", lambda: len(here.silences) == 2)
        assert here.silences[1].startswith("deploy [alert-relay ")
        await here.shows("Anna: deploy")


@pytest.mark.medium
async def test_the_message_command_takes_the_whole_card_and_two_presses_take_over(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(sandbox, tmp_path, has_alertmanager=False) as here:
        await here.post("a")
        await here.shows("Crash")
        message = sandbox.discord.messages(CHANNEL)[-1]
        handed = await here.gateway.command(
            "Take", str(message.id), ANNA_ON_DISCORD, channel=str(CHANNEL)
        )
        await until("it is answered", lambda: handed.answer is not None)
        assert (handed.shown, handed.is_private) == ("It is yours.", True)
        await here.shows("✋ Anna since")
        assert "Anna has it" in await here.press("↩ Release", BEN)
        assert await here.press("↩ Release", BEN) == "It is yours now; Anna had it."
        await here.shows("✋ Ben since")


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ENDPOINT = f"""endpoint
  discord_application_id: "{APPLICATION}00"
  discord_public_key: {KEY.public_key().public_bytes_raw().hex()}"""


@pytest.mark.medium
async def test_interactions_that_discord_signed_may_be_posted(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with acting(
        sandbox, tmp_path, has_alertmanager=False, interactions=ENDPOINT
    ) as here, aiohttp.ClientSession() as session:  # fmt: skip
        await here.post("a")
        await here.shows("Crash")

        async def post(body: dict[str, object], signed: bool = True) -> tuple[int, object]:
            said, stamp = json.dumps(body).encode(), str(int(time.time()))
            signature = KEY.sign(stamp.encode() + said).hex() if signed else "00" * 64
            headers = {"X-Signature-Timestamp": stamp, "X-Signature-Ed25519": signature}
            url = f"http://{here.address}/discord/{APPLICATION}00"
            async with session.post(url, data=said, headers=headers) as response:
                return response.status, await response.json()

        assert await post({"type": 1}) == (200, {"type": 1})
        assert (await post({"type": 1}, signed=False))[0] == 401
        message = sandbox.discord.messages(CHANNEL)[-1]
        press: dict[str, object] = {
            "id": "700000000000", "application_id": f"{APPLICATION}00", "type": 3, "token": "t",
            "channel_id": str(CHANNEL), "member": {"user": {"id": ANNA_ON_DISCORD}},
            "message": {"id": str(message.id), "author": {"id": DISCORD_USER}},
            "data": {"custom_id": here.channel_buttons()["✋ Take"]},
        }  # fmt: skip
        status, answer = await post(press)
        assert (status, "It is yours." in str(answer)) == (200, True)
        assert await post(press) == (status, answer)
        await here.shows("✋ Anna since")
