"""Golden files: what stands in a Telegram chat and a Discord channel after each case of
`shared/cases`, posted over HTTP and sent over HTTP. `RELAY_GOLDEN=update` writes them anew.
"""

import os
from pathlib import Path

import pytest

from tests.golden.standing import standing
from tests.need import absent
from tests.played import play
from tests.shared import CASES
from tests.world import CHANNEL, CHAT, discord_target, telegram_target
from tests.world_served import ServedWorld

FOLDER = Path(__file__).parent / "cases"
AFTER_ALL_CASES = 1795341600.0  # 22 November 2026, 10:00 UTC
NAMES = sorted(path.stem for path in CASES.glob("*.json")) or [""]


@pytest.mark.medium
@pytest.mark.parametrize("name", NAMES)
async def test_each_case_leaves_what_was_read_and_found_good(name: str) -> None:
    if not name:
        absent("the cases are not there: set RELAY_SPECS to the folder beside theirs")
    async with ServedWorld(telegram_target(), discord_target()) as world:
        world.now = AFTER_ALL_CASES
        await play(world, name)
        world.balance()
    made = standing(world.telegram, CHAT, world.discord, CHANNEL) + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("RELAY_GOLDEN") == "update":
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def test_each_golden_file_is_of_a_case() -> None:
    if NAMES != [""]:
        assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)
