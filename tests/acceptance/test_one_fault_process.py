"""One fault, one card, on a relay as it runs: what happens within seconds. (What takes minutes to
hours is in test_one_fault.py, on the fake clock.)
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from relay.sandbox.faults import Refusal
from relay.sandbox.server import Sandbox
from tests.acceptance.box import Rule, box
from tests.acceptance.processes import (
    Processes,
    Relay,
    fetch,
    launch_relay,
    payload,
    processes,
    start_relay,
    storage_of,
    until,
    verb,
)
from tests.acceptance.test_kill import (
    CHANNEL,
    HOOK,
    HOOK_TOKEN,
    LIMITS,
    MANY,
    ONE,
    TOKEN,
    add_chats,
)
from tests.store.test_disk_faults import fill

OTHER_TOKEN = "1000002:sandbox-bot"
TWO, THREE, SPARE = -1002, -1003, -1009
STATUSES = (400, 401, 403, 404, 413)


def set_up(sandbox: Sandbox, folder: Path, api: str = "", more: str = "") -> Path:
    """Groups and a channel that take any amount; alerts go there by their team. `more` are keys of
    the receiver `one`, whose fallback is `spare`, and that one's the channel.
    """
    add_chats(sandbox, (TOKEN, OTHER_TOKEN), (ONE, TWO, THREE, SPARE))
    api = api or sandbox.url
    config = folder / "relay.yml"
    config.write_text(f"""\
global:
  telegram_api_url: {api}
  telegram_bot_token: "{TOKEN}"
  telegram_updates: none
  notices_receiver: three
{LIMITS}
route:
  receiver: one
  routes:
    - matchers: [team="two"]
      receiver: two
    - matchers: [team="three"]
      receiver: three
    - matchers: [team="channel"]
      receiver: channel
receivers:
  - name: one
    fallback: spare
{more}
    telegram_configs: [{{chat_id: {ONE}}}]
  - name: two
    telegram_configs: [{{chat_id: {TWO}}}]
  - name: three
    telegram_configs: [{{chat_id: {THREE}}}]
  - name: spare
    fallback: channel
    telegram_configs: [{{chat_id: {SPARE}}}]
  - name: channel
    fallback: two
    discord_configs:
      - webhook_url: {api}/api/webhooks/{HOOK}/{HOOK_TOKEN}
""")
    return config


def shown(sandbox: Sandbox, chat: int) -> str:
    transcript = sandbox.discord.transcript if chat == CHANNEL else sandbox.telegram.transcript
    return transcript(chat)


async def shows(sandbox: Sandbox, chat: int, text: str, within: float = 15.0) -> None:
    await until(f"{chat} shows {text}", lambda: text in shown(sandbox, chat), within)


async def up(relay: Relay) -> dict[str, float]:
    """What /metrics says of the chats of each receiver."""
    _, text = await fetch("GET", f"{relay.url}/metrics")
    lines = [line for line in text.splitlines() if line.startswith("alert_relay_destination_up{")]
    return {line.split('receiver="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}


@pytest.mark.medium
async def test_a_page_of_a_box_in_between_is_no_verdict_whatever_its_status(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with box(sandbox.url) as between, processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path, between.url))
        between.rules = [Rule(f"Box{status}", status) for status in STATUSES]
        for status in STATUSES:
            for team in ("one", "channel"):
                assert await relay.post(payload(f"Box{status}-{team}", team)) == 200

        def all_met() -> bool:
            return all(sum(rule is met for met in between.answered) > 1 for rule in between.rules)

        await until("each was answered by the box", all_met)
        for team, chat in (("one", ONE), ("channel", CHANNEL)):
            assert await relay.post(payload(f"Good-{team}", team)) == 200
            await shows(sandbox, chat, f"Good-{team}", within=8)
        assert set((await up(relay)).values()) == {1.0}
        between.rules = []
        for team in ("one", "channel"):
            await _retry(running, team)
        await until("all is told", relay.at_rest)
        books = await relay.balance()
    told = {chat: shown(sandbox, chat) for chat in (ONE, CHANNEL)}
    assert all(f"Box{status}" in text for status in STATUSES for text in told.values())
    assert [row.dead + row.expired for row in books.values()] == [0] * len(books)
    assert shown(sandbox, SPARE) == ""


@pytest.mark.medium
async def test_what_a_box_stops_for_its_style_goes_out_plain_once_others_got_through(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with box(sandbox.url) as between, processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path, between.url))
        between.rules = [Rule("Styled", 403, also='"entities"')]
        assert await relay.post(payload("Styled")) == 200
        await until("it was stopped", lambda: bool(between.answered))
        assert await relay.post(payload("Good")) == 200
        await shows(sandbox, ONE, "Good", within=3)
        await shows(sandbox, ONE, "Styled")
        assert len(between.answered) == 2
        (plain,) = (m for m in sandbox.telegram.messages(ONE) if "Styled" in m.text)
        styles = {each["type"] for each in plain.versions[0].content.entities}
        assert styles <= {"url"}  # the chat's own


NO_CODE = b'{"message": "404: Not Found", "code": 0}'


@pytest.mark.medium
async def test_a_webhook_ends_for_good_only_with_the_code_of_a_deleted_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with box(sandbox.url) as between, processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path, between.url))
        between.rules = [Rule("", 404, NO_CODE, "application/json")]
        assert await relay.post(payload("First", "channel")) == 200
        await until("the webhook was called", lambda: bool(between.answered))
        between.rules = []
        await shows(sandbox, TWO, "First")  # the fallback
        assert (await up(relay))["channel"] == 0.0
        never = "no more calls are made"
        assert never not in await queue(running, "list", "--receiver=channel")
        await _retry(running, "channel")
        await shows(sandbox, CHANNEL, "First")
        assert (await up(relay))["channel"] == 1.0
        sandbox.discord.webhooks[HOOK].gone = True
        assert await relay.post(payload("Second", "channel")) == 200
        await shows(sandbox, TWO, "Second")
        assert never in await queue(running, "list", "--receiver=channel")
        assert await relay.post(payload("Third", "channel")) == 200
        await shows(sandbox, TWO, "Third")
        assert [call.status for call in sandbox.discord.calls] == [200, 404]


async def queue(running: Processes, *words: str) -> str:
    """What a verb of the queue says."""
    _, said = await verb(running, "queue", *words, storage_of(running.folder)[0])
    return said


async def _retry(running: Processes, receiver: str) -> None:
    """Tries all that waits under the receiver, as a person does."""
    listed = await queue(running, "list", f"--receiver={receiver}")
    ids = [word for word in listed.split() if word.count("/") == 1 and word[0].isdigit()]
    assert ids, listed
    await queue(running, "retry", *ids)


TOO_ODD = Refusal(400, "Bad Request: message text is odd")
NO_FILES = Refusal(400, "Bad Request: not enough rights to send documents to the chat")
NO_REPLIES = Refusal(403, "Forbidden: not enough rights to send replies")


def several(name: str, count: int) -> dict[str, object]:
    """A group of so many alerts."""
    labels = {"alertname": name, "team": "one"}
    alerts = [
        {
            "status": "firing",
            "labels": labels | {"instance": f"db-{number}"},
            "startsAt": "2026-11-22T01:00:00Z",
            "fingerprint": f"{name}-{number}",
        }
        for number in range(count)
    ]
    return payload(name) | {"alerts": alerts}


@pytest.mark.medium
async def test_what_a_chat_refuses_of_a_message_says_nothing_of_the_chat(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A text in every form, a file, and a reply."""
    async with processes(tmp_path) as running:
        more = "    overflow: document"
        relay = await start_relay(running, set_up(sandbox, tmp_path, more=more))
        for text, refusal in (
            ("Odd", TOO_ODD),
            ('name="document"', NO_FILES),
            ("reply_parameters", NO_REPLIES),
        ):
            sandbox.faults.add("telegram", str(ONE), "refused", text=text, refusal=refusal)
        assert await relay.post(payload("Odd")) == 200
        await shows(sandbox, SPARE, "Odd")
        assert "message text is odd" in await queue(running, "list", "--state=dead")
        assert await relay.post(several("Long", 300)) == 200
        await shows(sandbox, ONE, "Long")
        assert await relay.post(several("Short", 1)) == 200
        await shows(sandbox, ONE, "Short")
        assert await relay.post(several("Short", 2)) == 200
        await shows(sandbox, ONE, "db-1")
        await until("nothing waits", relay.at_rest)
        struck = [call.method for call in sandbox.telegram.calls if call.status in (400, 403)]
        assert {"sendMessage", "sendDocument"} <= set(struck)
        assert (await up(relay))["one"] == 1.0
        assert (await relay.balance())["one"].dead == 1


@pytest.mark.medium
async def test_two_chats_that_are_limited_hold_up_no_third_one_and_the_fallback_is_asked_in_time(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        more = "    fallback_after: 2s"
        relay = await start_relay(running, set_up(sandbox, tmp_path, more=more))
        for chat in (ONE, TWO):
            sandbox.faults.add("telegram", str(chat), "429", count=1, seconds=60.0)
        for team in ("one", "two"):
            assert await relay.post(payload(f"Limited-{team}", team)) == 200
        await until("both were refused", lambda: len(sandbox.faults.struck) == 2)
        assert await relay.post(payload("Third", "three")) == 200
        await shows(sandbox, THREE, "Third", within=2)
        await shows(sandbox, SPARE, "Limited-one", within=8)
        assert [call.status for call in sandbox.telegram.calls if call.target == str(ONE)] == [429]


@pytest.mark.medium
async def test_a_dead_chat_is_stood_in_for_along_the_chain_and_keeps_two_deliveries_of_a_card(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path))
        sandbox.telegram.kick(ONE)
        sandbox.telegram.kick(SPARE)
        assert await relay.post(several("Chain", 1)) == 200
        await shows(sandbox, CHANNEL, "Chain")
        await shows(sandbox, THREE, "AlertRelayChatDown")
        for number in range(2, 40):
            assert await relay.post(several("Chain", number)) == 200
        await shows(sandbox, CHANNEL, "39")

        async def kept() -> bool:  # in its own chat, and in the fallback that is down as well
            return await pending(relay, "telegram", "one") == 2 * 2

        await until("two of each are kept", kept)
        sandbox.telegram.chats[ONE].refusal = ""
        await _retry(running, "one")
        await shows(sandbox, ONE, "39")


async def pending(relay: Relay, platform: str, receiver: str) -> int:
    """What waits under the receiver on that platform, copies for fallbacks included."""
    _, text = await fetch("GET", f"{relay.url}/metrics")
    name = f'alert_relay_deliveries_pending{{platform="{platform}",receiver="{receiver}"}} '
    return int(float(text.partition(name)[2].split()[0]))


@pytest.mark.medium
@pytest.mark.sqlite
async def test_fallbacks_that_lead_nowhere_are_faults_and_to_the_same_chat_a_warning(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    good = set_up(sandbox, tmp_path).read_text()
    bad = tmp_path / "bad.yml"
    async with processes(tmp_path) as running:
        for old, new, why in (
            ("fallback: two", "fallback: channel", "cannot be its own fallback"),
            ("fallback: two", "fallback: spare", "lead in a circle"),
            (f"    telegram_configs: [{{chat_id: {SPARE}}}]\n", "", '"spare" has no chat'),
        ):
            bad.write_text(good.replace(old, new))
            process = await launch_relay(running, bad)
            assert await process.ended() == 2, new
            assert why in process.output
        bad.write_text(good.replace(f"chat_id: {SPARE}", f"chat_id: {ONE}"))
        relay = await start_relay(running, bad)
        assert "leads to the same chat" in relay.process.output


@pytest.mark.medium
async def test_a_payload_under_the_key_of_a_notice_does_not_end_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path))
        sandbox.telegram.kick(TWO)
        assert await relay.post(payload("Down", "two")) == 200
        await shows(sandbox, THREE, "AlertRelayChatDown")
        told = shown(sandbox, THREE)
        key = relay.process.output.partition('group_key="notice/')[2].partition('"')[0]
        forged = payload("AlertRelayChatDown", "three", ended=True)
        forged |= {"receiver": "alert-relay", "groupKey": f"notice/{key}"}
        assert await relay.post(forged) == 200
        await until("it is its own card", lambda: shown(sandbox, THREE) != told)
        assert shown(sandbox, THREE).startswith(told.rstrip())


HANGING = 30


@pytest.mark.medium
@pytest.mark.sqlite  # the short leases of these tests leave little time for calls
async def test_chats_that_hang_hold_up_no_other_chat_of_their_bots(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Two bots at one address, each with as many chats that hang as chats that answer."""
    async with processes(tmp_path) as running:
        config = set_up(sandbox, tmp_path)
        entries: list[str] = []
        good: list[int] = []
        for number in range(2 * HANGING):
            chat_id = -2000 - number
            chat = sandbox.telegram.add_chat(chat_id, "supergroup", "Team")
            chat.pace = chat.minute = MANY
            token = (TOKEN, OTHER_TOKEN)[number // 2 % 2]
            entries.append(f'{{chat_id: {chat_id}, bot_token: "{token}"}}')
            if number % 2:
                sandbox.faults.add("telegram", str(chat_id), "hang")
            else:
                good.append(chat_id)
        everywhere = f"    telegram_configs: [{', '.join(entries)}]"
        old = f"    telegram_configs: [{{chat_id: {ONE}}}]"
        config.write_text(config.read_text().replace(old, everywhere, 1))
        relay = await start_relay(running, config)
        for name in ("First", "Second"):
            assert await relay.post(payload(name)) == 200
            posted = time.monotonic()

            def told(name: str = name) -> bool:
                return all(name in shown(sandbox, chat) for chat in good)

            await until(f"all good chats show {name}", told, within=5)
            print(f"{name} after {time.monotonic() - posted:.2f} s")  # noqa: T201 - a figure
        assert len(sandbox.faults.struck) == HANGING


@pytest.mark.slow
async def test_an_answer_that_came_while_the_relay_stood_still_counts_though_its_time_is_over(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path))
        sandbox.faults.add("telegram", str(ONE), "slow", count=1, seconds=1.0)
        assert await relay.post(payload("Still")) == 200
        await until("the call was made", lambda: bool(sandbox.faults.struck))
        relay.process.signal(signal.SIGSTOP)
        await asyncio.sleep(16)  # a call is given up after 15
        relay.process.signal(signal.SIGCONT)
        await until("it is settled", relay.at_rest)
        assert len(sandbox.telegram.messages(ONE)) == 1
        assert "timed out" not in relay.process.output
        assert "repeated" not in shown(sandbox, ONE)


# A relay whose wall clock is so many seconds off as a file says.
SET_CLOCK = """\
import runpy, sys, time
from pathlib import Path
right, by = time.time, Path(sys.argv.pop(1))
time.time = lambda: right() + float(by.read_text())
sys.argv[0] = "relay"
runpy.run_module("relay", run_name="__main__")
"""


@pytest.mark.medium
@pytest.mark.sqlite
async def test_hours_follow_a_clock_that_is_set_and_waits_do_not(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        by = tmp_path / "by"
        by.write_text("0")
        config = set_up(sandbox, tmp_path)
        hours = [time.gmtime(time.time() + 3600 * ahead).tm_hour for ahead in (0, 1)]
        muted = f"""\
time_intervals:
  - name: now
    time_intervals:
      - times: [{{start_time: "{hours[0]:02}:00", end_time: "{hours[0]:02}:59"}}]
      - times: [{{start_time: "{hours[0]:02}:59", end_time: "{hours[1] or 24:02}:00"}}]
      - times: [{{start_time: "{hours[1]:02}:00", end_time: "{hours[1]:02}:59"}}]
route:
  receiver: one
  routes:
    - matchers: [team="two"]
      mute_time_intervals: [now]
"""
        told = config.read_text()
        config.write_text(
            told.replace(
                'route:\n  receiver: one\n  routes:\n    - matchers: [team="two"]\n', muted
            )
        )
        program = (sys.executable, "-P", "-c", SET_CLOCK, str(by))
        relay = await start_relay(running, config, program=program)
        assert await relay.post(payload("Muted", "two")) == 200
        sandbox.faults.add("telegram", str(ONE), "429", count=1, seconds=20.0)
        assert await relay.post(payload("Waits")) == 200
        await until("it was refused", lambda: bool(sandbox.faults.struck))
        refused = time.monotonic()
        assert shown(sandbox, TWO) == ""
        by.write_text(str(3 * 3600))
        await shows(sandbox, TWO, "Muted", within=15)
        assert 'msg="the clock was set, hours follow it"' in relay.process.output
        await shows(sandbox, THREE, "AlertRelayClockSet")
        assert shown(sandbox, ONE) == ""
        await shows(sandbox, ONE, "Waits", within=25)
        assert time.monotonic() - refused > 19.5
        assert "late" not in shown(sandbox, ONE)


@pytest.mark.medium
@pytest.mark.sqlite
async def test_while_nothing_can_be_stored_it_is_not_ready_and_afterwards_it_is(
    sandbox: Sandbox, tmp_path: Path, tiny_disk: Path
) -> None:
    (tmp_path / "data").symlink_to(tiny_disk)
    async with processes(tmp_path) as running:
        relay = await start_relay(running, set_up(sandbox, tmp_path))
        sandbox.telegram.kick(ONE)
        fill(tiny_disk / "others")

        async def is_full() -> bool:
            return await relay.post(several("Full", 50)) == 503

        await until("payloads are refused", is_full)
        status, why = await fetch("GET", f"{relay.url}/-/ready")
        assert (status, "storage failed" in why) == (503, True)
        (tiny_disk / "others").unlink()
        assert await relay.post(payload("Room", "two")) == 200
        await shows(sandbox, TWO, "Room")

        async def is_ready() -> bool:
            return (await fetch("GET", f"{relay.url}/-/ready"))[0] == 200

        await until("it is ready", is_ready)
