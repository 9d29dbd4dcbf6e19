"""The cases of `shared/cases` as they are posted: bodies in order, with the waits between them."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[1]
CASES = ROOT / os.environ.get("RELAY_SPECS", "../shared/specs") / "../cases"


class Body(Struct, frozen=True):
    """A webhook body for a source, with its times still open."""

    source: str
    text: str

    def at(self, now: float) -> bytes:
        """The body as it is posted at `now` (Unix seconds): `@now-60` is a minute before."""
        return json.dumps(_timed(json.loads(self.text), now)).encode()


class Pause(Struct, frozen=True):
    """Seconds between two posts."""

    seconds: float


def steps(name: str) -> Iterator[Body | Pause]:
    """What a case does, in order."""
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    for step in case.get("_steps", [{"body": case}]):
        if "body" in step:
            source = step.get("path", "/alerts").removeprefix("/alerts").strip("/")
            yield Body(source, json.dumps(step["body"]))
        if "wait" in step:
            yield Pause(step["wait"])


def _timed(value: object, now: float) -> object:
    match value:
        case dict():
            return {key: _timed(each, now) for key, each in value.items()}
        case list():
            return [_timed(each, now) for each in value]
        case str() if value.startswith("@now"):
            at = datetime.fromtimestamp(now, UTC) + timedelta(seconds=float(value[4:] or 0))
            return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case _:
            return value
