"""The spool keeps bodies in order, on the disk, for one process."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relay.store.data_dir import CannotStart
from relay.store.protocol import StoreError
from relay.store.spool import SPOOL, DamagedPayload, Spool, Spooled, SpoolError


def body(number: int) -> Spooled:
    return Spooled("", float(number), b"%d" % number)


async def emptied(spool: Spool) -> list[bytes]:
    """All that waits, in order."""
    bodies = []
    while isinstance(found := await spool.first(), Spooled):
        bodies.append(found.body)
        await spool.remove(found.number)
    return bodies


async def test_bodies_come_out_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await asyncio.gather(*(spool.keep(body(number)) for number in range(100)))
    assert spool.count == 100
    assert await emptied(spool) == [b"%d" % number for number in range(100)]
    assert (spool.count, await spool.first()) == (0, None)
    await spool.close()


async def test_what_waits_is_there_for_the_next_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.keep(Spooled("paris", 1.5, b"{}"))
    await spool.close()
    spool = Spool(tmp_path)
    found = await spool.first()
    assert (spool.count, found) == (1, Spooled("paris", 1.5, b"{}", 1))
    await spool.close()


async def test_what_is_put_aside_stays_in_the_file_and_waits_no_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.keep(body(1))
    await spool.keep(body(2))
    first = await spool.first()
    assert first
    await spool.put_aside(first.number)
    assert (spool.count, await emptied(spool)) == (1, [b"2"])
    await spool.close()
    with closing(sqlite3.connect(tmp_path / SPOOL)) as file:
        assert file.execute("SELECT body FROM spool").fetchall() == [(b"1",)]
    spool = Spool(tmp_path)
    assert spool.count == 0
    await spool.close()


async def filled(spool: Spool) -> int:
    """Keeps bodies until the disk is full; how many it took."""
    for number in range(100):
        try:
            await spool.keep(Spooled("", 1.0, b"%09d" % number * 9000))
        except SpoolError:
            return number
    raise AssertionError("the disk is not full")


async def test_a_full_disk_gives_out_all_that_it_holds_and_its_room(tiny_disk: Path) -> None:
    """Removing a body takes room, which there is none of until the last one is removed."""
    spool = Spool(tiny_disk)
    sent = await filled(spool)
    assert sent > 10
    assert await emptied(spool) == [b"%09d" % number * 9000 for number in range(sent)]
    assert spool.count == 0
    for number in range(sent):
        await spool.keep(Spooled("", 1.0, b"%09d" % number * 9000))
    assert len(await emptied(spool)) == sent
    await spool.close()


async def test_what_a_full_disk_gave_out_comes_again_from_the_next_process_alone(
    tiny_disk: Path,
) -> None:
    spool = Spool(tiny_disk)
    for number in range(3):
        await spool.keep(body(number))
    (tiny_disk / "other").write_bytes(b"x" * os.statvfs(tiny_disk).f_bavail * 4096)
    first = await spool.first()
    assert isinstance(first, Spooled)
    await spool.remove(first.number)
    assert await spool.first() == Spooled("", 1.0, b"1", 2)
    await spool.close()
    spool = Spool(tiny_disk)
    assert len(await emptied(spool)) in (2, 3)  # a page of the log may have had room
    await spool.close()


async def test_a_body_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        await spool.keep(Spooled("", 1.0, b"%d" % number * 20_000))
    await spool.close()
    with closing(sqlite3.connect(tmp_path / SPOOL)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool = Spool(tmp_path)
    _spoil(tmp_path / SPOOL, b"1" * 2000)
    await spool._run(lambda: spool._db.execute("PRAGMA shrink_memory"))  # read from the file
    first = await spool.first()
    assert isinstance(first, Spooled)
    await spool.remove(first.number)
    second = await spool.first()
    assert second == DamagedPayload(2, "database disk image is malformed")
    await spool.put_aside(second.number)
    assert (spool.count, await emptied(spool)) == (1, [b"2" * 20_000])
    await spool.close()


def _spoil(path: Path, contents: bytes) -> None:
    """The pages with these contents, but for their heads, lead nowhere."""
    told = path.read_bytes()
    with path.open("r+b") as file:
        for at in range(0, len(told), 4096):
            if contents in told[at : at + 4096]:
                file.seek(at)
                file.write(b"\xff" * 4)


async def test_a_file_that_cannot_be_read_takes_nothing_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.keep(body(1))
    await spool._run(spool._db.close)
    with pytest.raises(SpoolError, match="closed"):
        await spool.first()
    assert not spool.is_readable
    with pytest.raises(SpoolError, match="cannot be read"):
        await spool.keep(body(2))
    assert spool.count == 1
    await spool.close()


async def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(CannotStart, match=r"name another one with --storage.spool"):
        Spool(tmp_path)
    await spool.close()
    await Spool(tmp_path).close()


async def test_a_file_that_is_no_spool_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / SPOOL).write_bytes(b"something else" * 1000)
    with pytest.raises(CannotStart, match=r"spool.db: .*; move the file away"):
        Spool(tmp_path)
    assert (tmp_path / SPOOL).read_bytes() == b"something else" * 1000


def removed(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def cut(folder: Path) -> None:
    os.truncate(folder / SPOOL, 0)


@pytest.mark.parametrize("lose", [removed, cut])
async def test_nothing_is_kept_in_a_folder_that_somebody_removed(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    spool = Spool(tmp_path / "spool")
    lose(tmp_path / "spool")
    with pytest.raises(StoreError, match="the spool is gone"):
        await spool.keep(body(1))
    assert spool.count == 0
    await spool.close()


async def test_no_other_user_reads_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    await spool.keep(body(1))
    paths = [tmp_path / "spool", *(tmp_path / "spool").iterdir()]
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths)
    await spool.close()
