"""Answers that are none, over real HTTP: whatever a box in between sends for one text, the text is
tried again, nothing is dead without the platform's own verdict, and other messages get through.
"""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from relay.sandbox.faults import FaultKind
from tests.acceptance.test_one_fault import BAD, HOUR, Recorded, told
from tests.build import T0
from tests.world import CHANNEL, CHAT, discord_target, telegram_target
from tests.world_http import LITTLE_PATIENCE, PATIENCE, HttpWorld

CARRIED_OUT: Sequence[FaultKind] = ("cut after", "half", "short", "endless")
ANSWERS: Sequence[FaultKind] = (
    "500", "502", "ok false", "cut before", "not json", "too large", "blocked", "other json",
    "empty", "redirect", *CARRIED_OUT,
)  # fmt: skip
BLIND = (15, 30, 60, 60)  # seconds between calls whose message may be in the chat


@pytest.mark.medium
@pytest.mark.parametrize("platform", ["telegram", "discord"])
@pytest.mark.parametrize("kind", ANSWERS)
async def test_whatever_answers_for_one_text_it_is_told_later_and_holds_up_no_other(
    kind: FaultKind, platform: str
) -> None:
    target = telegram_target() if platform == "telegram" else discord_target()
    async with HttpWorld(
        target, patience=LITTLE_PATIENCE if kind == "endless" else PATIENCE
    ) as world:
        recorded = Recorded(world)
        for where in ("telegram", "discord"):
            world.faults.add(where, "*", kind, text=BAD, until=T0 + 180)
        await world.post(told(BAD))
        for number in range(4):
            await world.run(until=40.0 * number + 1)
            await world.post(told(f"good-{number}"))
        await world.run(until=2 * HOUR)
        for number in range(4):
            (sent,) = recorded.of(f"Alert-good-{number}")
            at = 40 * number + 1
            assert sum(at <= when < sent for when in recorded.of(f"Alert-{BAD}")) <= 1
        tried = recorded.of(f"Alert-{BAD}")
        if kind in CARRIED_OUT or kind in ("empty", "not json"):
            pauses = [round(b - a) for a, b in pairwise(tried)]
            late = 15 if kind == "endless" else 0
            assert all(
                pause in range(least + late, least + late + 3)
                for pause, least in zip(pauses, BLIND, strict=False)
            )
        shown = world.telegram.transcript(CHAT) + world.discord.transcript(CHANNEL)
        assert all(f"Alert-{name}" in shown for name in (BAD, *(f"good-{n}" for n in range(4))))
        (row,) = world.balance()
        assert (row.dead, row.expired, row.pending, row.delivered) == (0, 0, 0, 5)


@pytest.mark.medium
async def test_an_answer_that_unpacks_to_more_than_the_memory_is_read_to_its_limit() -> None:
    async with HttpWorld() as world:
        world.faults.add("telegram", "*", "bomb", count=1)
        await world.post(told("one"))
        await world.run(until=60)
        assert len(world.telegram.messages(CHAT)) == 1
