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


def test_one_alert_says_who_is_ill_since_when_and_has_a_label_a_line() -> None:
    assert _plain("one", "'labels' has no 'pod'").splitlines() == [
        "🔴 critical HighErrorRate · api-7f9c · eu-west-1, payments",
        "12 % of requests fail (limit 1 %)",
        "since 11:04 (2\u00a0min)",
        "instance=api-7f9c",
        "service=payments",
        "region=eu-west-1",
        "severity=critical",
        "Runbook · Graph · Silence",
        "(template team.html.j2 failed: 'labels' has no 'pod')",
    ]


def test_several_alerts_have_a_line_and_what_they_do_not_share() -> None:
    assert _plain("mixed").splitlines() == [
        "🔴 critical 2 alerts (1 critical, 1 warning) · payments, prod-1",
        "since 11:01 (7\u00a0min)",
        "🔴 HighErrorRate · api-1: 12 % of requests fail",
        "    instance=api-1",
        "    severity=critical",
        "🟠 DiskFull · db-2: 4 % left on /var/lib",
        "    instance=db-2",
        "    mountpoint=/var/lib",
        "    severity=warning",
        "⚪ NodeDown · web-3",
        "    instance=web-3",
        "    severity=critical",
        "🟢 DiskFull · db-1",
        "    instance=db-1",
        "    severity=info",
        "namespace=payments",
        "cluster=prod-1",
        "Graph · Silence",
    ]
    assert "    node=" not in _plain("thirty")


def test_its_links_can_be_opened() -> None:
    scene = TemplateContext(sample.VIEWS["one"], Policy("ops", "t", "html"), None)
    _, message = plain(scene, "t", "", Form(lambda _: 0))
    links = [span.value for span in message.body.spans if span.kind == "link"]
    assert [link.partition("?")[0] for link in links] == [
        "https://runbooks.example.org/HighErrorRate",
        "https://prometheus.example.org/graph",
        "https://alertmanager.example.org/#/silences/new",
    ]


def test_it_is_as_honest_as_any_card() -> None:
    assert (
        _plain("late").splitlines()[-1]
        == "⏱ 14\u00a0min late: this chat could not be reached from 11:04 to 11:17"
    )
    assert "\n… and 19" in _plain("huge", room=400)


def test_it_speaks_the_receivers_language() -> None:
    assert (
        _plain("resolved", "x", language="fr").splitlines()[-1]
        == "(le modèle team.html.j2 a échoué\u00a0: x)"
    )


def test_a_long_reason_is_cut() -> None:
    assert len(_plain("bare", "x\n" * 1000).splitlines()[-1]) < 260


@pytest.mark.parametrize("room", [1, 10, 40, 90])
@pytest.mark.parametrize("view", sample.VIEWS)
def test_in_the_narrowest_room_it_says_what_it_can(view: str, room: int) -> None:
    assert 0 < len(_plain(view, "why", room)) <= room
