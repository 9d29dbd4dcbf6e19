"""What the author of an alerting rule wrote is in the message, whatever the annotations' names."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from relay.core.template import sample
from relay.core.template.labels_shown import Details, wrong
from relay.core.template.links import prose
from tests.messages_of import card

ROOT = Path(__file__).resolve().parents[2]
CASES = (ROOT / os.environ.get("RELAY_SPECS", "../shared/specs")).parent / "cases"


def _seen(case: str) -> tuple[str, str]:
    """The card of a case's first alert, on Telegram and on Discord."""
    path = CASES / f"{case}.json"
    if not path.exists():
        pytest.skip("no cases: set RELAY_SPECS")
    alert: dict[str, Any] = json.loads(path.read_text())["alerts"][0]
    seen = card((sample.alert(4, labels=alert["labels"], annotations=alert["annotations"]),))
    return seen.telegram, seen.content + "\n" + seen.embed


@pytest.mark.parametrize(
    ("case", "texts"),
    [
        ("text-annotation-names",
         ["Queue orders is stuck\n4213 messages wait", "action: restart consumer-orders"]),
        ("am-example-one", ["please check the instance example1", "The disk sda2 is running full",
                            "the following link http://test-url should"]),
        ("runbook-text", ["Runbook: Restart consumer-orders", "Dashboard: kafka-overview"]),
        ("links-nohost", ["Runbook: wiki.example.com/kafka", "Dashboard: //grafana.example/d/x"]),
        ("handles-in-annotation", ["handlers: @john_dev @mary_ops"]),
        ("runbook-markdown-link", ["Lag is high", "Runbook"]),
    ],
)  # fmt: skip
def test_what_the_author_wrote_is_shown(case: str, texts: list[str]) -> None:
    for shown in _seen(case):
        for text in texts:
            assert text in shown


def test_a_link_that_is_no_more_than_that_is_not_told_as_text() -> None:
    for shown in _seen("runbook-markdown-link"):
        assert "wiki.example" not in shown


@pytest.mark.parametrize(
    ("annotation", "is_prose"),
    [
        ("Restart it, then look", True),
        ("see https://wiki.example.org/a and restart", True),
        ("https://wiki.example.org/a", False),
        ("[The runbook](https://wiki.example.org/a)", False),
        ("<https://wiki.example.org/a>", False),
        ("kafka-overview", True),
    ],
)
def test_a_runbook_with_text_around_its_address_is_prose(annotation: str, is_prose: bool) -> None:
    assert prose(annotation) == (annotation if is_prose else "")


@pytest.mark.parametrize(
    ("annotations", "details"),
    [
        ({"note": "look"}, Details("look")),
        ({"summary": "Disk is full.\n  VALUE = 7.5\n  LABELS = map[a:b]"},
         Details("Disk is full, value 7.5", "", "value 7.5")),
        ({"zeta": "z", "text": "t", "title": "head"}, Details("head\nt\nzeta: z")),
        ({"summary": "full", "owner": "dba"}, Details("full", "owner: dba")),
        ({"summary": "full", "title": "Disk"}, Details("full", "Disk")),
        ({"summary": "full", "grafana_url": "x", "__dashboardUid__": "y", "image": "z"},
         Details("full")),
    ],
)  # fmt: skip
def test_annotations_of_other_names_follow_the_usual_ones(
    annotations: dict[str, str], details: Details
) -> None:
    assert wrong(annotations, {}) == details
