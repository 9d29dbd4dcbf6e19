"""What a digest tells in a row, and what it leaves to a count."""

import re

from relay.core.alert import GroupId
from relay.core.budget import Limit
from relay.core.card import digest
from relay.core.card.card import Card
from relay.core.card.digest import Line
from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.template.context import ContextShape
from relay.core.template.digest_context import DigestContext
from relay.core.text.message import Form
from relay.core.text.richtext import RichText
from relay.settings.load import BUILTIN

POLICY = Policy("ops", "telegram.html.j2", "html")


def _line(name: str, where: str) -> Line:
    return Line(GroupId("", "ops", where), "", "firing", name, "warning", where, 1, sample.NOON)


def _view(lines: list[Line]) -> digest.DigestView:
    return digest.view(
        Card(digest.DIGEST, "", "ops"), lines, [Limit("chat", 20, 60.0)], sample.NOON, None
    )


def _rows(scene: DigestContext, shape: ContextShape) -> list[str]:
    rows = scene.names(shape)["rows"]
    assert isinstance(rows, list)
    return [row.text for row in rows if isinstance(row, RichText)]


def test_a_row_tells_all_names_without_places_before_it_leaves_a_name_out() -> None:
    lines = [_line(f"Shard{n:02}Slow", f"es-{n}-{i}") for n in range(8) for i in range(4)]
    (row,) = _rows(DigestContext(_view(lines), POLICY), ContextShape(0, 8, 200))
    assert row == "🟠 " + " · ".join(f"Shard{n:02}Slow ×4" for n in range(8))


def test_a_row_ends_after_a_whole_name_and_counts_the_others() -> None:
    lines = [_line(f"Shard{n:02}Slow", f"es-{n}-{i}") for n in range(15) for i in range(4)]
    templates, _ = template.compile({path.name: path.read_text() for path in BUILTIN.glob("*.j2")})
    rendered = template.render_digest(
        templates, POLICY, _view(lines), Form(lambda message: max(0, len(message.body.text) - 3999))
    )
    text = rendered.message.body.text
    told, _, more = text.splitlines()[1].removeprefix("🟠 ").rpartition(" and ")
    names = told.split(" · ")
    assert all(re.fullmatch(r"Shard\d\dSlow ×4", name) for name in names)
    assert more == f"{15 - len(names)} more"
    assert "characters" not in text


def test_a_group_that_its_row_does_not_place_is_named_by_a_line_of_its_own_or_only_counted() -> (
    None
):
    lines = [_line(f"Alert{n:02}", f"host-{n:02}") for n in range(20)]
    scene = DigestContext(_view(lines), POLICY)
    assert scene.named(ContextShape(0, 20, 200)) == frozenset()
    assert len(scene.counted(ContextShape(0, 20, 200))) == 20
    assert len(scene.named(ContextShape(3, 20, 200))) == 3
    assert scene.named(ContextShape(0, 20, 1000)) == {(line.group, "") for line in lines}


def test_a_first_name_whose_places_leave_no_room_is_told_without_them() -> None:
    scene = DigestContext(_view([_line("A" * 300, "h" * 300), _line("B", "b")]), POLICY)
    assert _rows(scene, ContextShape(0, 2, 200)) == [f"🟠 {'A' * 100} · B"]
    assert scene.named(ContextShape(0, 2, 200)) == frozenset()
