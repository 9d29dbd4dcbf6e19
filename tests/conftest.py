"""Fixtures that several test folders share."""

from collections.abc import AsyncIterator

import pytest

from relay.sandbox import server


@pytest.fixture
async def sandbox() -> AsyncIterator[server.Sandbox]:
    """A local Telegram and Discord over HTTP, empty, on the wall clock."""
    running = await server.start()
    yield running
    await running.stop()
