"""Several replicas on one PostgreSQL: what each accepts, one of them tells, and what one leaves
another takes over.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from relay.sandbox.server import Sandbox
from relay.store.postgres.formats import FORMATS, newer_format
from tests import canary
from tests.acceptance import processes as programs
from tests.acceptance.processes import RELAY, Processes, Relay, listens, payload, processes, until
from tests.acceptance.test_kill import CHANNEL, ONE, OTHER, set_up_chats
from tests.postgres import Databases, databases, pooled

pytestmark = pytest.mark.postgres
TTL = 3.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Databases]:
    with databases() as made:
        yield made


@pytest.fixture
async def running(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Processes]:
    async with processes(tmp_path, lambda: sandbox.telegram.transcript(ONE)) as started:
        yield started


async def replica(
    running: Processes,
    config: Path,
    url: str,
    ttl: float = TTL,
    spool: Path | None = None,
    options: Sequence[str] = (),
    start: Sequence[str] = ("-P", "-m", "relay"),
) -> Relay:
    """One more relay on that database."""
    canary.learn(config)
    named = running.folder / "url"
    named.write_text(url)
    process = await running.start(
        "relay", sys.executable, *start, "serve", f"--config.file={config}",
        f"--storage.url-file={named}", f"--storage.lease={ttl:g}s",
        "--web.listen-address=127.0.0.1:0", *([f"--storage.spool={spool}"] if spool else []),
        *options,
    )  # fmt: skip
    await until("the relay listens", lambda: listens(process) or not process.runs)
    assert listens(process), process.output
    address = process.output.partition('msg="listening" address=')[2].split()[0]
    return Relay(process, f"http://{address}")


def told(sandbox: Sandbox) -> str:
    """All that stands in the chats."""
    return "\n".join(
        (
            sandbox.telegram.transcript(ONE),
            sandbox.telegram.transcript(OTHER),
            sandbox.discord.transcript(CHANNEL),
        )
    )


async def post(relays: Sequence[Relay], numbers: Iterable[int]) -> list[int]:
    """Posts alerts of these numbers, in turn to each of the replicas; those that were taken."""
    taken = []
    for number in numbers:
        team = ("one", "other", "channel")[number % 3]
        relay = relays[number % len(relays)]
        if await relay.post(payload(f"Alert{number:03}", team)) == 200:
            taken.append(number)
    return taken


def untold(sandbox: Sandbox, numbers: Iterable[int]) -> list[int]:
    text = told(sandbox)
    return [number for number in numbers if f"Alert{number:03}" not in text]


@pytest.mark.parametrize("way", ["direct", "through PgBouncer"])
async def test_each_alert_is_told_once_whichever_replica_accepts_it(
    way: str, postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        fresh = postgres.fresh if way == "direct" else stack.enter_context(pooled())
        await _told_once(fresh(), sandbox, running, tmp_path)


async def _told_once(url: str, sandbox: Sandbox, running: Processes, tmp_path: Path) -> None:
    config = set_up_chats(sandbox, tmp_path)
    relays = [await replica(running, config, url) for _ in range(2)]
    numbers = await post(relays, range(30))
    assert len(numbers) == 30
    await until("all are told", lambda: not untold(sandbox, numbers))
    assert [told(sandbox).count(f"Alert{n:03}") for n in numbers] == [1] * 30


@pytest.mark.parametrize(
    ("number", "within"),
    [(signal.SIGKILL, TTL + 2), (signal.SIGSTOP, TTL + 2), (signal.SIGTERM, 1)],
)
async def test_what_a_replica_leaves_another_takes_over(
    number: signal.Signals,
    within: float,
    postgres: Databases,
    sandbox: Sandbox,
    running: Processes,
    tmp_path: Path,
) -> None:
    """Its chats are in trouble when it goes, so that it holds them."""
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()
    first = await replica(running, config, url)
    sandbox.faults.add("telegram", "*", "slow", seconds=0.3)
    await post([first], range(0, 30, 3))
    await until("it has begun", lambda: bool(sandbox.telegram.transcript(ONE)))
    second = await replica(running, config, url)
    first.process.signal(number)
    if number == signal.SIGTERM:
        assert await first.process.ended() == 0
    sandbox.faults.clear()
    gone = asyncio.get_running_loop().time()
    assert await second.post(payload("Alert999", "one")) == 200
    await until("another goes on", lambda: not untold(sandbox, [999]), within)
    assert asyncio.get_running_loop().time() - gone < within
    await until("all are told", lambda: not untold(sandbox, range(0, 30, 3)))
    first.process.signal(signal.SIGCONT)


BUDGET, WINDOW = 10, 2.0  # calls of the bot in so many seconds
LATE = 0.3  # seconds within which a call that was let through arrives


async def test_all_replicas_together_keep_a_budget_in_any_window(
    postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    """Both chats of the bot have work all the time, and each may be another replica's."""
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()
    text = config.read_text()
    assert "bot: 1000/1s" in text
    config.write_text(text.replace("bot: 1000/1s", f"bot: {BUDGET}/{WINDOW:g}s"))
    relays = [await replica(running, config, url) for _ in range(3)]
    numbers = [number for number in range(60) if number % 3 < 2]
    taken = await post(relays, numbers)
    assert taken == numbers
    await until("all are told", lambda: not untold(sandbox, numbers), within=40)
    sent = [
        call.at
        for call in sandbox.telegram.calls
        if call.method in ("sendMessage", "editMessageText")
    ]
    assert len(sent) >= len(numbers)
    assert fullest(sent, WINDOW - LATE) <= BUDGET
    assert fullest(sent, WINDOW * 1.5) > BUDGET // 2  # it was made use of


def fullest(times: Sequence[float], window: float) -> int:
    """The most of these moments in one window of so many seconds."""
    return max(sum(at <= other < at + window for other in times) for at in times)


def test_a_window_that_is_too_full_is_seen() -> None:
    assert fullest([0.0, 0.5, 1.0, 3.0], 1.1) == 3
    assert fullest([0.0, 1.2, 2.4], 1.1) == 1


async def test_an_older_configuration_lets_a_newer_one_have_the_chat_it_holds(
    postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()
    first = await replica(running, config, url)
    sandbox.faults.add("telegram", "*", "slow", seconds=0.3)
    await post([first], range(0, 90, 3))
    await until("it has begun", lambda: bool(sandbox.telegram.transcript(ONE)))
    newer = config.with_name("newer.yml")
    newer.write_text(config.read_text() + "  - name: spare\n")
    second = await replica(running, newer, url)
    assert await second.post(payload("Alert999", "one")) == 200
    sandbox.faults.clear()
    await until("all are told", lambda: not untold(sandbox, [*range(0, 90, 3), 999]))


@pytest.mark.medium
async def test_a_bot_is_polled_for_longer_than_a_call_of_a_lane_may_take(
    postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    """A call of a lane ends before its lease does; Telegram holds a poll for ten seconds."""
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()
    relay = await replica(running, config, url)
    calls = sandbox.telegram.calls
    await until("it is polled", lambda: any(each.method == "getUpdates" for each in calls), 30)
    assert "receives no updates" not in relay.process.output


async def verb(running: Processes, *words: str, blocked: str = "") -> tuple[int, str]:
    """Runs a verb on the database. `blocked`: a module that is not installed."""
    without = (
        f"import sys; sys.modules[{blocked!r}] = None; sys.argv[0] = 'alert-relay'; "
        "from relay.__main__ import main; sys.exit(main())"
    )
    program = (sys.executable, "-c", without) if blocked else RELAY
    url = f"--storage.url-file={running.folder / 'url'}"
    return await programs.verb(running, *words, url, program=program)


async def test_verbs_act_through_the_database_beside_the_replicas(
    postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()
    relay = await replica(running, config, url)
    sandbox.telegram.kick(ONE)
    await post([relay], [0])

    async def is_down() -> bool:
        status, said = await verb(running, "status")
        assert "Relay          1 replica: " in said
        return status == 0 and "the chat is down" in said

    await until("it waits for its chat", is_down)
    assert "Alert000" in (await verb(running, "queue", "list"))[1]
    status, said = await verb(running, "queue", "drop", "1/1")
    assert (status, "dropped" in said) == (0, True), said
    assert (await verb(running, "history"))[0] == 0


async def test_without_the_extra_it_is_said_how_it_is_installed(
    running: Processes, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://relay@127.0.0.1:1/relay")
    status, said = await verb(running, "queue", "list", blocked="psycopg")
    assert status == 2
    assert "pip install 'alert-relay[postgres]'" in said


async def test_a_database_that_is_not_there_is_one_line_without_the_password(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://relay:geheim@127.0.0.1:1/relay")
    config = set_up_chats(sandbox, tmp_path)
    status, said = await verb(running, "serve", f"--config.file={config}")
    assert status == 2
    assert said.splitlines()[-1].startswith("PostgreSQL: cannot open the storage: ")
    assert "geheim" not in said


async def test_an_empty_file_for_the_address_does_not_mean_a_folder(
    sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("\n")
    config = set_up_chats(sandbox, tmp_path)
    status, said = await verb(running, "serve", f"--config.file={config}")
    assert status == 2
    assert f"--storage.url-file={tmp_path / 'url'}: the file is empty" in said


# The next version: its notifications have an external address, which those of the present format
# have not.
_NEXT = """
import sys
from msgspec.structs import replace
from relay.core.alert import Notification
from relay.store.postgres import shared
from relay.store.postgres.formats import FORMATS, Formats

def as_before(value):
    return replace(value, external_url="") if isinstance(value, Notification) else value

store, formats = shared.PostgresStore, Formats((*FORMATS.steps, as_before))
shared.PostgresStore = lambda *args, **named: store(*args, **named, formats=formats)
from relay.__main__ import main
sys.exit(main())
"""


@pytest.mark.medium
async def test_the_next_version_takes_over_replica_by_replica_and_then_writes_its_own_format(
    postgres: Databases, sandbox: Sandbox, running: Processes, tmp_path: Path
) -> None:
    config, url = set_up_chats(sandbox, tmp_path), postgres.fresh()

    def count(sql: str) -> int:
        with psycopg.connect(url) as connection:
            (found,) = connection.execute(sql.encode()).fetchone() or (0,)
        return int(found)

    def bodies() -> int:
        return count("SELECT count(*) FROM payload WHERE position('am.new'::bytea in body) > 0")

    async def posts(relay: Relay, numbers: Iterable[int]) -> None:
        for number in numbers:
            body = payload(f"Alert{number:03}", "one") | {"externalURL": "http://am.new"}
            assert await relay.post(body) == 200

    old = await replica(running, config, url)
    new = await replica(running, config, url, start=("-c", _NEXT))
    await posts(new, range(3))
    await until("all are told", lambda: not untold(sandbox, range(3)))
    assert bodies() == 0
    old.process.signal(signal.SIGTERM)
    assert await old.process.ended() == 0
    raised = "SELECT value FROM progress WHERE name = 'format'"
    await until("the old ones are gone", lambda: count(raised) == FORMATS.newest + 1)
    await posts(new, range(3, 6))
    await until("all are told", lambda: not untold(sandbox, range(6)))
    await posts(new, [6])  # its turns have read the new format
    assert bodies() >= 1
    status, said = await verb(running, "serve", f"--config.file={config}")
    assert status == 2
    assert newer_format(FORMATS.newest + 1, FORMATS.newest) in said
