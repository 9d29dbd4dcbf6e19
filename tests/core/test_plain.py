"""The built-in plain text: whatever happens, this can be sent."""

import pytest

from relay.core.routing.lane import Policy
from relay.core.template import sample
from relay.core.template.context import TemplateContext
from relay.core.template.plain import plain
from relay.core.text.message import Form


def _plain(view: str, why: str = "", room: int = 4096, language: str = "en") -> str:
    scene = TemplateContext(
        sample.VIEWS[view], Policy("ops", "t", "html", timezone="UTC", language=language), None
    )
    form = Form(lambda message: max(0, len(message.body.text) - room))
    return plain(scene, "team.html.j2", why, form)[1].body.text


def test_name_state_severity_summary_and_labels_on_one_line_each() -> None:
    assert _plain("mixed", "'labels' has no 'pod'").splitlines() == [
        "🔴 critical HighErrorRate: 12 % of requests fail",
        "cluster=prod-1, instance=api-1, namespace=payments, severity=critical",
        "🟠 warning DiskFull: 4 % left on /var/lib",
        "cluster=prod-1, instance=db-2, mountpoint=/var/lib, namespace=payments, severity=warning",
        "⚪ no longer reported NodeDown",
        "cluster=prod-1, instance=web-3, namespace=payments, severity=critical",
        "🟢 resolved DiskFull",
        "cluster=prod-1, instance=db-1, namespace=payments, severity=info",
        "(template team.html.j2 failed: 'labels' has no 'pod')",
    ]


def test_it_is_as_honest_as_any_card() -> None:
    assert (
        _plain("late").splitlines()[-1]
        == "⏱ 14 min late: this chat could not be reached from 11:04 to 11:17"
    )
    assert _plain("huge", room=400).splitlines()[-1].startswith("… and 19")


def test_it_speaks_the_receivers_language() -> None:
    assert (
        _plain("resolved", "x", language="fr").splitlines()[-1]
        == "(le modèle team.html.j2 a échoué : x)"
    )


def test_a_long_reason_is_cut() -> None:
    assert len(_plain("bare", "x\n" * 1000).splitlines()[-1]) < 260


@pytest.mark.parametrize("room", [1, 10, 40, 90])
@pytest.mark.parametrize("view", sample.VIEWS)
def test_in_the_narrowest_room_it_says_what_it_can(view: str, room: int) -> None:
    assert 0 < len(_plain(view, "why", room)) <= room
