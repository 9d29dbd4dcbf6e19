"""Deliveries a second and processor time per message: SQLite, and one to three replicas on a
PostgreSQL, with and without 2 ms to the database.

    PYTHONPATH=. .venv/bin/python bench/replicas.py [--messages=600]
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from tests.acceptance.processes import Processes, Relay

TEAMS = ("one", "other", "channel")


async def delayed(path: str, seconds: float) -> tuple[asyncio.Server, int]:
    """A way to the database's socket on which each piece takes that long, one way."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                at, data = await queue.get()
                await asyncio.sleep(at - time.monotonic())
                if not data:
                    writer.close()
                    return
                writer.write(data)

        sending = asyncio.create_task(send())
        while data := await reader.read(1 << 16):
            queue.put_nowait((time.monotonic() + seconds, data))
        queue.put_nowait((time.monotonic() + seconds, b""))
        await sending

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

    serving = await asyncio.start_server(connected, "127.0.0.1", 0)
    return serving, serving.sockets[0].getsockname()[1]


async def started(running: Processes, config: Path, storage: list[str]) -> Relay:
    process = await running.start(
        "relay", sys.executable, "-P", "-m", "relay", "serve", f"--config.file={config}",
        *storage, "--web.listen-address=127.0.0.1:0", "--log.level=warning",
    )  # fmt: skip
    await asyncio.sleep(0)
    return Relay(process, "")


def processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
