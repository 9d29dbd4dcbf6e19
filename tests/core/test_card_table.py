"""The life of a card as a table; docs/cards.md shows the same rows. `RELAY_GOLDEN=update` writes
them anew.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.build import T0, alert
from tests.core.test_card import Chat

DOC = Path(__file__).parent.parent.parent / "docs" / "cards.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
WORDS = {
    "post": "a new message with sound",
    "post silent": "a new message without sound",
    "post after 7": "a new message with sound, which replies to the old one",
    "edit 7": "an edit",
    "joined": "the reply `➕ …` with sound",
    "repeated": "the reply `🔁 still firing …` with sound",
    "again": "the reply `firing again` with sound",
    "resolved silent": "the closing reply without sound",
}
Script = Callable[[Chat], None]


class Row(Struct, frozen=True):
    """What the chat shows, what comes at `at` seconds, and what the chat gets `later` seconds after
    that.
    """

    shows: str
    comes: str
    said: tuple[str, ...]
    before: Script
    then: Script
    at: float = 60.0
    later: float = 0.0
    counts: str = ""


def nothing(_: Chat) -> None:
    return


def fires(
    *names: str, at: float = 0.0, start: float = 0.0, reason: str = "", truncated: int = 0
) -> Script:
    def script(chat: Chat) -> None:
        chat.arrive(
            at, *(alert(name, at=T0 + start) for name in names), reason=reason, truncated=truncated
        )

    return script


def over(*names: str, left: tuple[str, ...] = (), at: float = 60.0) -> Script:
    def script(chat: Chat) -> None:
        ended = [alert(name, "resolved", ends=T0 + at) for name in names]
        chat.arrive(at, *ended, *(alert(name) for name in left))

    return script


def reworded(chat: Chat) -> None:
    chat.arrive(60, replace(alert("a"), annotations={"summary": "another text"}))


def shown(*scripts: Script) -> Script:
    def script(chat: Chat) -> None:
        for step, each in enumerate(scripts):
            each(chat)
            chat.drain(step * 20.0)

    return script


FIRING, CLOSED = shown(fires("a", "b")), shown(fires("a"), over("a", at=20.0))
ROWS = (
    Row("nothing", "a group fires", ("post",), nothing, fires("a")),
    Row("nothing", "only resolved alerts", ("post silent",), nothing, over("a")),
    Row(
        "nothing",
        "a group fires and is over before the chat could be told",
        ("post silent",),
        fires("a"),
        over("a"),
    ),
    Row("firing", "alerts join", ("joined", "edit 7"), FIRING, fires("a", "b", "c", at=60)),
    Row("firing", "some resolve", ("edit 7",), FIRING, over("b", left=("a",))),
    Row("firing", "all resolve", ("edit 7", "resolved silent"), FIRING, over("a", "b")),
    Row("firing", "only annotations change", (), shown(fires("a")), reworded, counts="duplicate"),
    Row(
        "firing",
        "the same again within `dedup_window`",
        (),
        FIRING,
        fires("b", "a", at=60),
        counts="duplicate",
    ),
    Row(
        "firing",
        "the same again later, for a reason that tells of a change elsewhere",
        (),
        FIRING,
        fires("a", "b", at=600, reason="new alerts added"),
        at=600,
        counts="duplicate",
    ),
    Row(
        "firing",
        "the same again later, as a repeat or (before Alertmanager 0.32) without a reason",
        ("repeated",),
        FIRING,
        fires("a", "b", at=600, reason="repeat interval elapsed"),
        at=600,
    ),
    Row(
        "firing",
        "a whole payload without one of the alerts: at once",
        (),
        FIRING,
        fires("a", at=60),
    ),
    Row(
        "firing",
        "the same, 45 s later (`late_hold`)",
        ("edit 7",),
        FIRING,
        fires("a", at=60),
        later=45,
    ),
    Row(
        "firing",
        "a truncated payload without one of them: that some are left out is told, no alert is "
        "taken for gone",
        ("edit 7",),
        FIRING,
        fires("a", at=60, truncated=1),
        later=600,
        counts="duplicate",
    ),
    Row(
        "firing", "nothing for 25 h (`stale_after`)", ("edit 7",), FIRING, nothing, later=25 * 3600
    ),
    Row("firing", "the same for 6 h more", ("edit 7",), FIRING, nothing, later=31 * 3600),
    Row("resolved", "the same resolve again", (), CLOSED, over("a"), counts="duplicate"),
    Row("resolved", "a firing of the episode that is over: at once", (), CLOSED, fires("a", at=60)),
    Row(
        "resolved",
        "the same, when nothing contradicts it for 45 s",
        ("post after 7",),
        CLOSED,
        fires("a", at=60),
        later=45,
    ),
    Row(
        "resolved",
        "a firing that began later",
        ("post after 7",),
        CLOSED,
        fires("a", at=60, start=58),
    ),
    Row(
        "firing, its resolve not shown yet",
        "a firing that began later",
        ("again", "edit 7"),
        lambda chat: (shown(fires("a"))(chat), over("a", at=20.0)(chat))[0],
        fires("a", at=60, start=58),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.shows}: {row.comes}")
def test_the_card_lives_by_the_table(row: Row) -> None:
    chat = Chat()
    row.before(chat)
    known = len(chat.duplicates)
    row.then(chat)
    assert tuple(chat.drain(row.at + row.later)) == row.said
    assert (row.counts == "duplicate") == (len(chat.duplicates) > known)


def test_the_docs_show_the_table() -> None:
    lines = ["| the message shows | then comes | the chat gets |", "|---|---|---|"]
    for row in ROWS:
        said = ", then ".join(WORDS[each] for each in row.said) or "nothing"
        lines.append(
            f"| {row.shows} | {row.comes} | {said}{f' ({row.counts})' if row.counts else ''} |"
        )
    table = "\n".join(lines) + "\n"
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    shown_table, _, after = rest.partition(END)
    if os.environ.get("RELAY_GOLDEN") == "update":
        DOC.write_text(before + BEGIN + table + END + after, encoding="utf-8")
    else:
        assert shown_table == table
