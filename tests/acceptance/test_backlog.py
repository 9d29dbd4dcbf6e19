"""A start with 100,000 open deliveries: ready within seconds, in bounded memory, with an ear for
new alerts.
"""

import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from relay.core.alert import GroupId
from relay.core.routing.lane import LaneKey
from relay.core.routing.route import Delivery
from relay.store.data_dir import DATABASE
from relay.store.postgres.store import PostgresStore
from relay.store.protocol import Kept, NewPayload, Store
from relay.store.sqlite.store import SqliteStore
from tests.acceptance.processes import payload, processes, start_relay, storage_of
from tests.build import T0, alert, notification

API, TOKEN = "http://127.0.0.1:1", "1000001:sandbox-bot"
CHATS = 50
OPEN = 100_000
READY_SECONDS, ANSWER_SECONDS, MEBIBYTES = 3.0, 2.0, 200


def opened(option: str) -> Store:
    """The storage of a relay with that option."""
    name, _, place = option.partition("=")
    if name == "--storage.url-file":
        return PostgresStore(Path(place))
    Path(place).mkdir()
    return SqliteStore(Path(place) / DATABASE, synchronous="OFF")


def backlog(store: Store) -> None:
    """Deliveries of 20,000 groups for chats that cannot be reached."""
    for first in range(0, OPEN, 500):
        payloads = [new_payload(number) for number in range(first, first + 500)]
        (kept,) = store.batch([partial(store.accept, payloads)])
        assert isinstance(kept, Kept), kept
    store.close()


def new_payload(number: int) -> NewPayload:
    posted = notification(
        alert(f"host-{number}"), group=GroupId("", "relay", f"{{}}:{{n={number % 20_000}}}")
    )
    lane = LaneKey("telegram", API, "1000001", str(-1001 - number % CHATS))
    return NewPayload(
        posted.group, msgspec.json.encode(posted), T0, (Delivery(lane, "ops", "", None),)
    )


def config(folder: Path) -> Path:
    chats = ", ".join(f"{{chat_id: {-1001 - number}}}" for number in range(CHATS))
    path = folder / "relay.yml"
    path.write_text(
        f'global: {{telegram_api_url: "{API}", telegram_bot_token: "{TOKEN}", '
        f"telegram_updates: none}}\n"
        f"route: {{receiver: ops}}\nreceivers: [{{name: ops, telegram_configs: [{chats}]}}]\n"
    )
    return path


@pytest.mark.slow
async def test_a_start_with_a_large_backlog_is_quick_small_and_answers_at_once(
    tmp_path: Path,
) -> None:
    backlog(opened(storage_of(tmp_path)[0]))
    async with processes(tmp_path) as running:
        began = time.monotonic()
        relay = await start_relay(running, config(tmp_path))
        ready = time.monotonic() - began
        slowest = 0.0
        while relay.process.runs and time.monotonic() < began + 20:
            asked = time.monotonic()
            assert await relay.post(payload("DiskFull")) == 200
            slowest = max(slowest, time.monotonic() - asked)
        memory = relay.process.peak
        assert (await relay.balance())["ops"].lost == 0
    print(f"ready after {ready:.2f} s, slowest answer {slowest:.2f} s, at most {memory} MiB")  # noqa: T201 - a figure
    assert ready < READY_SECONDS
    assert slowest < ANSWER_SECONDS
    assert memory < MEBIBYTES
