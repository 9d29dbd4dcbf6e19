"""`routes diff` by what was posted to a running relay, also by a real Alertmanager."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from relay.__main__ import main
from tests.acceptance.processes import (
    amtool,
    payload,
    processes,
    start_alertmanager,
    start_relay,
    storage_of,
    until,
)

CONFIG = """\
global: {telegram_bot_token: "7:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", telegram_updates: none,
  telegram_api_url: "http://127.0.0.1:9"}
route:
  receiver: "null"
  routes:
    - {receiver: dba, matchers: [team="db"]}
    - {receiver: web, matchers: [team="web"]}
receivers:
  - name: "null"
  - {name: dba, telegram_configs: [{chat_id: -1001000000001}]}
  - {name: web, telegram_configs: [{chat_id: -1001000000002}]}
"""


@pytest.mark.alertmanager
async def test_a_removed_route_is_refused_with_the_names_of_what_would_be_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "relay.yml", tmp_path / "new.yml"
    old.write_text(CONFIG)
    new.write_text(CONFIG.replace('    - {receiver: dba, matchers: [team="db"]}\n', ""))
    async with processes(tmp_path) as running:
        relay = await start_relay(running, old)
        alertmanager = await start_alertmanager(running, f"{relay.url}/alerts")
        for name, team in (("DiskFull", "db"), ("Lag", "db"), ("Slow", "web")):
            await amtool(alertmanager, "alert", "add", f"alertname={name}", f"team={team}")

        async def came() -> bool:
            rows = await relay.balance()
            return [rows[name].accepted for name in ("dba", "web")] == [2, 1]

        await until("the alerts have come", came)
        words = ["routes", "diff", str(new), f"--config.file={old}"]
        stored = [*words, *storage_of(tmp_path)[:1], "-o", "json"]
        await refused(stored, capsys)
        asking = [*words, f"--alertmanager.url={alertmanager}"]
        assert await asyncio.to_thread(main, asking) == 1
        assert "REACH NOBODY: 2 firing alerts\n  would reach nobody: DiskFull" in (
            capsys.readouterr().out
        )
        relay.process.signal(signal.SIGTERM)
        assert await relay.process.ended() == 0
        await refused(stored, capsys)


async def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The diff by the stored payloads ends with status 1 and names what nobody would get."""
    status = await asyncio.to_thread(main, words)
    said = capsys.readouterr()
    assert status == 1, said.err
    found = json.loads(said.out)
    assert [(each["alertname"], each["times"]) for each in found["nobody"]] == [
        ("DiskFull", 1), ("Lag", 1)
    ]  # fmt: skip
    assert [each["receiver"] for each in found["receivers"]] == ["dba"]


@pytest.mark.medium
@pytest.mark.sqlite
async def test_a_running_relay_tells_what_it_was_posted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an Alertmanager, and of more payloads than a page holds."""
    old, new = tmp_path / "relay.yml", tmp_path / "new.yml"
    old.write_text(CONFIG)
    new.write_text(CONFIG.replace('    - {receiver: dba, matchers: [team="db"]}\n', ""))
    async with processes(tmp_path) as running:
        relay = await start_relay(running, old)
        for number in range(600):
            assert await relay.post(payload(f"Slow{number}", "web")) == 200
        for name in ("DiskFull", "Lag"):
            assert await relay.post(payload(name, "db")) == 200
        words = ["routes", "diff", str(new), f"--config.file={old}"]
        stored = [*words, f"--storage.path={tmp_path / 'data'}", "-o", "json"]
        await refused(stored, capsys)
