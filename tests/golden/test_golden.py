"""Golden files: what each built-in template makes of each sample. `RELAY_GOLDEN=update` writes them
anew.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.core.card.step import ReplyKind
from relay.core.card.view import View
from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.text.message import Form
from relay.platforms import discord, telegram
from relay.settings.load import BUILTIN
from tests.golden.drawing import drawn

FOLDER = Path(__file__).parent / "messages"
TEMPLATES, _ = template.compile({path.name: path.read_text() for path in BUILTIN.glob("*.j2")})
REPLIES: tuple[tuple[str, ReplyKind], ...] = (
    ("three", "joined"),
    ("some resolved", "repeated"),
    ("resolved", "resolved"),
    ("again", "again"),
)


def _messages(name: str) -> Iterator[tuple[str, str]]:
    """Each sample's title and message."""
    for title, view in sample.VIEWS.items():
        yield title, _message(name, view)
    for title, kind in REPLIES:
        yield f"reply, {kind}", _message(name, sample.VIEWS[title], kind)
    for title in ("three", "resolved", "again", "late"):
        yield f"french, {title}", _message(name, sample.VIEWS[title], language="fr")
    for title, kind in REPLIES:
        yield f"french, reply, {kind}", _message(name, sample.VIEWS[title], kind, language="fr")


def _message(name: str, view: View, reply: ReplyKind | None = None, language: str = "en") -> str:
    policy = Policy(
        "ops", name, template.BUILT_IN[name], timezone="Europe/Paris", language=language
    )
    form = Form(discord.excess if policy.markup == "discord" else telegram.excess)
    rendered = template.render(TEMPLATES, policy, view, "reply" if reply else "card", reply, form)
    assert rendered.failed == ""
    return drawn(rendered.message)


@pytest.mark.parametrize("name", template.BUILT_IN)
def test_messages_are_as_they_were_read_and_found_good(name: str) -> None:
    made = "\n".join(f"===== {title}\n{message}\n" for title, message in _messages(name))
    path = FOLDER / f"{name}.txt"
    if os.environ.get("RELAY_GOLDEN") == "update":
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert made.splitlines() == path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", template.BUILT_IN)
@pytest.mark.parametrize("title", sample.VIEWS)
def test_the_first_eighty_characters_carry_state_severity_name_and_place(
    name: str, title: str
) -> None:
    view = sample.VIEWS[title]
    message = re.sub(r"(?s)\A.*^content: ", "", _message(name, view), flags=re.MULTILINE)
    line = re.sub("‹[^›]*›", "", message.splitlines()[0])
    first = line[:80]
    assert first[0] in "🔴🟠🔵🟢⚪"
    state = {"resolved": "resolved", "gone": "no longer reported"}.get(view.status)
    assert (state or view.alerts[0].labels.get("severity", "firing")) in first
    if title not in ("hostile", "mixed"):
        assert view.alerts[0].labels["alertname"] in first
    places = [value for key, value in view.group_labels.items() if key != "alertname"]
    counted = view.truncated_alerts or "(" in line  # counts by severity stand before the places
    assert all(place in (line if counted else first) for place in places)
