"""A storage with all that lasts in it, kept as SQL for each version that the relay ever wrote.

    .venv/bin/python -m tests.store.keeping

writes the one of the newest version; those of released versions stay as they are. It also keeps the
shapes of the stored values for a new format (see `shapes`).
"""

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from msgspec.structs import replace

from relay.core.alert import GroupId
from relay.core.bot.people import BotReply, ChatEntry, Invite, UpdateEffects, hash_of, subscribe
from relay.core.bot.update import BotId, ChatInfo
from relay.core.routing.matcher import parse
from relay.core.text.richtext import RichText
from relay.store.sqlite.open_file import STEPS
from relay.store.sqlite.store import SqliteStore
from tests.build import GROUP, POLICY, T0, alert, notification
from tests.store.shapes import keep_shapes
from tests.world import API, CHAT, World, discord_target, telegram_target

KEPT = Path(__file__).parent / "kept"
BOT = BotId(API, "111")
TEAM = ChatInfo("-5", "group", "Team")
INVITE = Invite("i1", BOT, hash_of("token"), "DBA on call", parse('team="db"'), T0, T0 + 60, 2)
SUBSCRIPTION = subscribe(INVITE, TEAM, "", 555, "", T0, "-5")
SAYING = BotReply("-5", "", "9", 555, RichText("hello"))


def kept_world(store: SqliteStore) -> World:
    """The chats and receivers of the kept storages."""
    spare = replace(POLICY, receiver="spare")
    return World(
        telegram_target(policy=replace(POLICY, fallback="spare")),
        discord_target(spare),
        store=store,
    )


async def live(world: World) -> None:
    """A life that ends by surprise: shown, resolved, refused, folded into a digest, in doubt,
    listened to.
    """
    for number in range(3):
        await world.post(notification(alert(f"db-{number}"), group=group(number)))
    await world.run(until=30)
    await world.post(notification(alert("db-0", "resolved"), group=group(0)))
    await world.run(until=60)
    world.telegram.kick(CHAT)
    await world.post(notification(alert("db-1"), alert("db-31"), group=group(1)))
    await world.run(until=90)
    world.faults.add("discord", "*", "refused")
    await world.post(notification(alert("db-3", severity="critical"), group=group(3)))
    await world.run(until=120)
    world.faults.clear()
    for number in range(10, 22):
        await world.post(notification(alert(f"web-{number}"), group=group(number)))
    await world.run(until=125)
    effects = UpdateEffects(
        "seen", ChatEntry(BOT, TEAM, seen_at=T0), added=SUBSCRIPTION, bot_replies=(SAYING,)
    )
    await world.commit(lambda: world.store.people.create_invite(INVITE))
    await world.commit(lambda: world.store.people.take_update(BOT, 7, effects, T0))
    for number in range(4, 10):
        await world.post(
            notification(alert(f"db-{number}", severity="critical"), group=group(number))
        )
    await world.run(until=126)
    world.dying = True
    with contextlib.suppress(KeyboardInterrupt):
        await world.run(until=300)


def group(number: int) -> GroupId:
    return replace(GROUP, group_key=f"{{}}:{{n={number}}}")


def dump(path: Path) -> str:
    """The database as statements."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        return "\n".join([*db.iterdump(), f"PRAGMA user_version={version};", ""])


def restore(text: str, path: Path) -> None:
    """The database that the statements make."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(text)


def keep(path: Path) -> None:
    """Writes the kept storage of the newest version."""
    store = SqliteStore(path)
    asyncio.run(live(kept_world(store)))
    store.close()
    (KEPT / f"{len(STEPS)}.sql").write_text(dump(path), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as data_dir:
        keep(Path(data_dir) / "relay.db")
    keep_shapes()
