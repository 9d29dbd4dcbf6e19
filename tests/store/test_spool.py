"""The spool keeps bodies in order, on the disk, for one process."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from relay.store.data_dir import CannotStart
from relay.store.protocol import StoreError
from relay.store.spool import SPOOL, Spool, Spooled


def body(number: int) -> Spooled:
    return Spooled("", float(number), b"%d" % number)


async def emptied(spool: Spool) -> list[bytes]:
    """All that waits, in order."""
    bodies = []
    while found := await spool.first():
        bodies.append(found.body)
        await spool.remove(found)
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
    await spool.put_aside(first)
    assert (spool.count, await emptied(spool)) == (1, [b"2"])
    await spool.close()
    with closing(sqlite3.connect(tmp_path / SPOOL)) as file:
        assert file.execute("SELECT body FROM spool").fetchall() == [(b"1",)]
    spool = Spool(tmp_path)
    assert spool.count == 0
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


async def test_nothing_is_kept_in_a_folder_that_somebody_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for path in (tmp_path / "spool").iterdir():
        path.unlink()
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
