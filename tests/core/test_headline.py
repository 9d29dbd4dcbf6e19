"""A card in one line: who is ill, as its head has it."""

from collections.abc import Iterable

import pytest

from relay.core.alert import Alert
from relay.core.card.fold import fold
from relay.core.card.headline import headline, is_critical
from tests.build import POLICY, T0, alert, arriving, card


@pytest.mark.parametrize(
    ("alerts", "line", "critical"),
    [
        ([alert("db-1")], "warning Disk · db-1", False),
        ([alert("db-1", severity="critical")], "critical Disk · db-1", True),
        ([alert("db-1"), alert("db-2")], "warning Disk ×2", False),
        (
            [alert("db-1"), alert("db-1", name="Down", severity="page")],
            "page 2 alerts · db-1",
            True,
        ),
        ([alert("db-1", "resolved")], "resolved Disk · db-1", False),
        ([], "", False),
    ],
)
def test_a_card_in_one_line(alerts: Iterable[Alert], line: str, critical: bool) -> None:
    found = fold(card(), [arriving(1, T0, *alerts)], POLICY).card
    assert headline(found) == line
    assert is_critical(found) == critical
