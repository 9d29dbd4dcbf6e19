"""The relay as a process, beside platforms where single messages fail, every few calls fail, and
one chat fails as a whole: nothing is lost, and who has nothing to do with it does not wait.
"""

import asyncio
import logging
import os
import random
import time
from pathlib import Path

import pytest

from relay.sandbox.faults import FaultKind, PlatformName
from relay.sandbox.server import Sandbox
from tests.acceptance.processes import free_port, payload, processes, start_relay, until
from tests.acceptance.test_kill import (
    KILLS,
    LOADERS,
    ONE,
    OTHER,
    TEAMS,
    Load,
    judge,
    kill_often,
    seen,
    set_up_chats,
)

SECONDS = float(os.environ.get("RELAY_FAULT_SECONDS", "40"))
CALL = 15.0  # seconds after which a call that hangs is given up
SLOW: FaultKind = "hang"
PLATFORMS: tuple[PlatformName, ...] = ("telegram", "discord")
log = logging.getLogger(__name__)
# None of them lets the platform take the message: what stands twice came of a kill.
OFTEN: tuple[tuple[FaultKind, int], ...] = (("blocked", 5), ("502", 7), ("cut before", 11))
QUICK: tuple[FaultKind, ...] = (
    "500", "502", "cut before", "cut after", "not json", "blocked", "too large",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(120 + 6 * KILLS)
async def test_nothing_acknowledged_is_lost_over_many_kills_while_calls_and_messages_fail(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        config, port, chance = set_up_chats(sandbox, tmp_path), free_port(), random.Random(24)
        for number in range(0, 100, 3):
            kind = chance.choice(OFTEN)[0]
            for platform in PLATFORMS:
                sandbox.faults.add(platform, "*", kind, text=f"Kill{number:05}", count=2)
        for kind, every in OFTEN:
            for platform in PLATFORMS:
                sandbox.faults.add(platform, "*", kind, every=every)
        load = Load([f"http://127.0.0.1:{port}/alerts"])
        loaders = [asyncio.create_task(load.post(chance)) for _ in range(LOADERS)]
        kills = await kill_often(running, config, port, chance)
        load.over = True
        relay = await start_relay(running, config, port)
        await asyncio.wait_for(asyncio.gather(*loaders), 60)
        sandbox.faults.clear()
        await until("everything is settled", relay.at_rest, within=120)
        books = await relay.balance()
    assert [(row.lost, row.dead, row.expired) for row in books.values()] == [(0, 0, 0)] * 3
    repeated = {team: judge(seen(sandbox, chat), load, team, kills) for team, chat in TEAMS.items()}
    log.info("%d kills, %d faults struck", KILLS, len(sandbox.faults.struck))
    log.info("%d groups, repeated %s", len(load.acknowledged), repeated)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_outage_with_a_kill_loses_nothing_while_calls_and_messages_fail(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The README's figure of 200 alerts, an API that is away for four seconds and a SIGKILL, with
    faults of messages and of each so-manieth call before, meanwhile and after.
    """
    async with processes(tmp_path) as running:
        config, port = set_up_chats(sandbox, tmp_path), free_port()
        for platform in PLATFORMS:
            for number in range(0, 200, 9):
                sandbox.faults.add(platform, "*", "blocked", text=f"Gone{number:03}", count=3)
            for kind, every in OFTEN:
                sandbox.faults.add(platform, "*", kind, every=every)
        relay = await start_relay(running, config, port)
        now = time.time()
        for platform in PLATFORMS:
            sandbox.faults.add(platform, "*", "cut before", since=now, until=now + 4)
        acknowledged: list[tuple[str, str]] = []
        for number in range(200):
            name, team = f"Gone{number:03}", ("one", "channel")[number % 2]
            if await relay.post(payload(name, team)) == 200:
                acknowledged.append((name, team))
            if number == 120:
                await relay.process.kill()
                relay = await start_relay(running, config, port)
        await asyncio.sleep(max(0.0, now + 20 - time.time()))
        sandbox.faults.clear()
        await until("everything is settled", relay.at_rest, within=120)
        books = await relay.balance()
    assert [(row.lost, row.dead, row.expired) for row in books.values()] == [(0, 0, 0)] * 3
    said = {team: "".join(each.first for each in seen(sandbox, TEAMS[team]))
            for team in ("one", "channel")}  # fmt: skip
    assert len(acknowledged) == 200
    assert [name for name, team in acknowledged if name not in said[team]] == []
    log.info("200 groups, %d faults struck", len(sandbox.faults.struck))


def critical(name: str, team: str) -> dict[str, object]:
    body = payload(name, team)
    body["alerts"][0]["labels"]["severity"] = "critical"  # type: ignore[index]
    return body


@pytest.mark.slow
@pytest.mark.timeout(180 + int(SECONDS))
async def test_a_critical_waits_for_one_call_of_another_card_at_most_and_for_no_other_chat(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path) as running:
        config, chance = set_up_chats(sandbox, tmp_path), random.Random(7)
        for kind in (*QUICK, SLOW):
            for platform in PLATFORMS:
                sandbox.faults.add(platform, "*", kind, text=f"Bad {kind}")
        sandbox.faults.add("telegram", str(OTHER), "hang")
        relay = await start_relay(running, config)
        accepted: dict[str, tuple[str, float]] = {}
        began = time.time()
        while time.time() < began + SECONDS:
            number = len(accepted)
            if number % 10 == 0:
                kind = SLOW if number == 20 else QUICK[number // 10 % len(QUICK)]
                assert await relay.post(critical(f"Bad {kind} {number}", "one")) == 200
                assert await relay.post(critical(f"Bad {kind} {number}", "channel")) == 200
            name, team = f"Good{number:05}", chance.choice(list(TEAMS))
            assert await relay.post(critical(name, team)) == 200
            accepted[name] = (team, time.time())
            await asyncio.sleep(0.1)
        await asyncio.sleep(CALL + 3)
        waited = {
            team: sorted(
                _sent_at(sandbox, team, name) - at
                for name, (where, at) in accepted.items()
                if where == team
            )
            for team in ("one", "channel")
        }
    assert sandbox.telegram.messages(ONE)
    for team, waits in waited.items():
        log.info("%s: %d criticals, the longest wait %.1f s", team, len(waits), waits[-1])
        assert waits[-1] < CALL + 3


def _sent_at(sandbox: Sandbox, team: str, name: str) -> float:
    found = [message.at for message in seen(sandbox, TEAMS[team]) if name in message.first]
    return found[0] if found else float("inf")
