"""Where the inputs are that this project shares with others: they are read there, never copied."""

import os
from pathlib import Path

from tests.need import absent

ROOT = Path(__file__).parents[1]
SHARED = (ROOT / os.environ.get("RELAY_SPECS", "../shared/specs")).resolve().parent
CASES = SHARED / "cases"


def need_case(name: str) -> Path:
    """The path of a case; without it the test is left out."""
    if not (CASES / name).exists():
        absent(f"{name} is not there: set RELAY_SPECS to the folder beside that of the cases")
    return CASES / name
