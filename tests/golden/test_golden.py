"""Golden files: what each built-in template makes of each sample. `RELAY_GOLDEN=update` writes them
anew.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.core.card.digest import DigestView
from relay.core.card.step import ReplyKind
from relay.core.card.view import Late, View
from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.text.message import Form
from relay.platforms import discord, telegram
from relay.settings.load import BUILTIN
from tests.golden.digests import DIGESTS
from tests.golden.drawing import drawn

FOLDER = Path(__file__).parent / "messages"
TEMPLATES, _ = template.compile({path.name: path.read_text() for path in BUILTIN.glob("*.j2")})
REPLIES: tuple[tuple[str, ReplyKind], ...] = (
    ("three", "joined"),
    ("some resolved", "repeated"),
    ("resolved", "resolved"),
    ("again", "again"),
)

RAISED = sample.view(
    (
        replace(
            sample.alert(
                4,
                labels={
                    "alertname": "KubePersistentVolumeFillingUp",
                    "persistentvolumeclaim": "data-kafka-broker-1",
                    "namespace": "data",
                    "severity": "critical",
                },
                annotations={"summary": "only 2.13% free"},
            ),
            was="warning",
            was_since=sample.NOON - 3600.0,
        ),
    ),
    group={"namespace": "data"},
)
RAISED = replace(RAISED, about=RAISED.alerts)
SLOW = replace(
    sample.VIEWS["one"], late=Late(840.0, "pace", sample.NOON, sample.NOON + 840.0, per_minute=18)
)


def _messages(name: str) -> Iterator[tuple[str, str]]:
    """Each sample's title and message."""
    for title, view in sample.VIEWS.items():
        yield title, _message(name, view)
    for title, kind in REPLIES:
        yield f"reply, {kind}", _message(name, sample.VIEWS[title], kind)
    yield "reply, raised", _message(name, RAISED, "raised")
    yield "raised", _message(name, RAISED)
    yield "late, the chat's own limit", _message(name, SLOW)
    for title, digest in DIGESTS.items():
        yield title, _digest(name, digest)
    for title in ("three", "resolved", "again", "late", "mixed", "huge"):
        yield f"french, {title}", _message(name, sample.VIEWS[title], language="fr")
    for title, kind in REPLIES:
        yield f"french, reply, {kind}", _message(name, sample.VIEWS[title], kind, language="fr")
    yield "french, reply, raised", _message(name, RAISED, "raised", language="fr")
    yield "french, raised", _message(name, RAISED, language="fr")
    yield "french, late, the chat's own limit", _message(name, SLOW, language="fr")
    for title, digest in DIGESTS.items():
        yield f"french, {title}", _digest(name, digest, "fr")


def _digest(name: str, view: DigestView, language: str = "en") -> str:
    policy = _policy(name, language)
    form = Form(discord.excess if policy.markup == "discord" else telegram.excess)
    rendered = template.render_digest(TEMPLATES, policy, view, form)
    assert rendered.failed == ""
    return drawn(rendered.message)


def _policy(name: str, language: str) -> Policy:
    return Policy("ops", name, template.BUILT_IN[name], timezone="Europe/Paris", language=language)


def _message(name: str, view: View, reply: ReplyKind | None = None, language: str = "en") -> str:
    policy = _policy(name, language)
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
