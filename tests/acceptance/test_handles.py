"""A relay without free file handles: what it answers with 200 is kept, and it goes on once there
are some again.
"""

import asyncio
import resource
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox.server import Sandbox
from tests.acceptance.processes import payload, processes, start_relay, until
from tests.acceptance.test_signals import OPS, set_up_chats


@pytest.mark.slow
async def test_without_file_handles_nothing_acknowledged_is_lost_and_work_goes_on_later(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(OPS)) as running:
        config = set_up_chats(sandbox, tmp_path)
        config.write_text(
            config.read_text().replace("global:", "global:\n  telegram_updates: none")
        )
        relay = await start_relay(running, config)
        async with aiohttp.ClientSession() as session:

            async def post(name: str) -> int:
                async with session.post(f"{relay.url}/alerts", json=payload(name)) as response:
                    return response.status

            assert await post("First") == 200
            await until("the first is delivered", relay.at_rest)
            sandbox.faults.add(
                "telegram", "*", "cut before", count=1
            )  # the next call needs a connection of its own
            soft, hard = resource.prlimit(relay.process.child.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(relay.process.child.pid, resource.RLIMIT_NOFILE, (3, hard))
            assert [await post(name) for name in ("Second", "Third")] == [200, 200]
            newcomer = asyncio.create_task(relay.post(payload("Newcomer")))
            await until(
                "a connection has to wait", lambda: "out of system resource" in relay.process.output
            )
            await until(
                "a call cannot be made",
                lambda: relay.process.output.count("API request failed") > 1,
            )
            resource.prlimit(relay.process.child.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert await newcomer == 200
        await until("everything is delivered", relay.at_rest)
        shown = [message.text.split()[2] for message in sandbox.telegram.messages(OPS)]
        assert sorted(shown) == ["First", "Newcomer", "Second", "Third"]
        assert (await relay.balance())["ops"].lost == 0
        assert relay.process.output.count("\n") < 50
