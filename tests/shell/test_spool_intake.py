"""Intake with a spool whose disk fails: what comes is not held up by what cannot be read."""

import asyncio
from pathlib import Path

import pytest

from relay.core.event import Noted
from relay.core.intake_result import Committed, RetryLater
from relay.inbound.spool_intake import SpoolIntake
from relay.store.spool import Spool, Spooled
from tests.build import T0
from tests.shell.test_intake import Relay, body, relay

__all__ = ["relay"]


class Spooling:
    """An intake with a spool in which a body waits, and whose file fails from now on."""

    def __init__(self, relay: Relay, folder: Path) -> None:
        self.now = T0
        self.spool = Spool(folder)
        self.intake = SpoolIntake(
            relay.intake, self.spool, relay.store, lambda: self.now, relay.events.append
        )

    async def fails(self) -> None:
        await self.spool.keep(Spooled("", T0, body(1, "waits")))
        await self.spool._run(self.spool._db.close)


@pytest.fixture
async def spooling(relay: Relay, tmp_path: Path) -> Spooling:
    relay.store.gate.set()
    made = Spooling(relay, tmp_path)
    await made.fails()
    return made


async def test_what_comes_is_stored_while_what_waits_cannot_be_read(
    relay: Relay, spooling: Spooling
) -> None:
    spooling.intake.start()
    while spooling.spool.is_readable:  # noqa: ASYNC110 - the thread of the spool sets no event
        await asyncio.sleep(0)
    assert await spooling.intake.accept("", body(1, "later")) == Committed()
    assert relay.store.taken == ["later ends"]
    assert spooling.spool.count == 1
    (told,) = [each for each in relay.events if isinstance(each, Noted) and each.level == "error"]
    assert told.values[0] == ("at", "spool")
    await spooling.intake.stop()


async def test_a_relay_whose_spool_failed_is_ready_again_after_a_while(
    relay: Relay, spooling: Spooling
) -> None:
    """Else nobody would post to it, and it would never find that all is well."""
    relay.store.full_after = 0
    assert spooling.intake.why_not == ""
    refused = await spooling.intake.accept("", body(1))
    assert isinstance(refused, RetryLater)
    assert spooling.intake.why_not == "the spool failed"
    spooling.now += 11
    assert spooling.intake.why_not == ""
    await spooling.intake.stop()
