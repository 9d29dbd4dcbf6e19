"""A server under test, in a process of its own."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextlib.asynccontextmanager
async def server_process(*command: str, crash: bool = False) -> AsyncIterator[tuple[str, int]]:
    """Runs the command; gives the URL on which it says that it listens, on standard error, and its
    process id. In the end it is asked to stop, or killed where it is to `crash`.
    """
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    said = process.stderr or asyncio.StreamReader()
    try:
        address = ""
        while not address:
            line = (await said.readline()).decode()
            if not line:
                raise SystemExit(f"{' '.join(command)} did not start")
            listens = "istening" in line and "address=" in line
            address = line.rpartition("address=")[2].split()[0] if listens else ""
        drain = asyncio.ensure_future(said.read())
        yield f"http://{address}", process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill() if crash else process.terminate()
        await process.wait()
    await drain


def python(*arguments: str) -> tuple[str, ...]:
    """The command of a Python program."""
    return (sys.executable, *arguments)
