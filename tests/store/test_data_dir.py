"""What the storage folder tells of its files while they are used."""

import os
from pathlib import Path

from relay.store.data_dir import LOG_LIMIT, DataDir
from relay.store.sqlite.store import SqliteStore

LARGE = LOG_LIMIT + (1 << 20)


def test_a_file_that_shrinks_by_itself_is_whole_and_one_that_is_cut_is_not(tmp_path: Path) -> None:
    held = DataDir(tmp_path)
    store = SqliteStore(held.database)
    log = tmp_path / f"{held.database.name}-wal"

    def write(*statements: str) -> None:
        store.batch([lambda: [store._file.execute(each) for each in statements]])
        assert held.is_there(store.file_in_use)

    write("CREATE TABLE much (body BLOB)", f"INSERT INTO much VALUES (zeroblob({LARGE}))")
    longest = log.stat().st_size
    write("UPDATE much SET body = NULL")
    store.batch([store._file.shrink])
    largest = held.database.stat().st_size
    while store._file.free():
        store.batch([store._file.shrink])
        assert held.is_there(store.file_in_use)
    for _ in range(200):  # until the log is written back, cut, and begun anew
        write("CREATE TABLE one (x)", "DROP TABLE one")
    assert log.stat().st_size < longest
    assert held.database.stat().st_size < largest
    assert store.file_in_use
    os.truncate(held.database, store.file_in_use.least - 1)
    assert not held.is_there(store.file_in_use)
    store.close()
    held.release()
