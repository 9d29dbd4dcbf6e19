"""Links: the ones that help, and only those that work from outside."""

from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from relay.core.routing.lane import LinkRewrite
from relay.core.template.links import links, outside, silence
from relay.core.template.sample import VIEWS
from relay.core.text.times import Reader

READER = Reader("en", "UTC", 0.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://prometheus:9090/graph",
        "http://localhost/",
        "http://127.0.0.1:9090/",
        "http://[::1]/",
        "http://169.254.1.1/",
        "http://prometheus.monitoring.svc:9090/",
        "http://prometheus.monitoring.svc.cluster.local/",
        "javascript:alert(1)",
        "tg://user?id=1",
        "//example.org",
        "ftp://example.org",
        "https://",
        "http://[bad",
        "https://example.org/" + "x" * 2000,
        "",
    ],
)
def test_what_does_not_work_from_outside_is_no_link(url: str) -> None:
    assert outside(url) == ""


@pytest.mark.parametrize(
    "url", ["https://example.org/a?b#c", "http://10.1.2.3:9090/", "http://[2001:db8::1]/"]
)
def test_what_works_from_outside_stays_as_it_is(url: str) -> None:
    assert outside(url) == url


def test_an_inside_address_is_rewritten_by_the_first_rule_that_fits() -> None:
    rules = (
        LinkRewrite("", "https://never.example.org/"),
        LinkRewrite("http://prometheus:9090/", "https://prom.example.org/"),
        LinkRewrite("http://", "https://other.example.org/"),
    )
    assert (
        outside("http://prometheus:9090/graph?x=1", rules) == "https://prom.example.org/graph?x=1"
    )


def test_a_new_silence_has_the_groups_labels_as_matchers() -> None:
    url = silence("https://am.example.org/am/", {"b": 'say "hi"\\\n', "a": "1"})
    assert url.startswith("https://am.example.org/am/#/silences/new?filter=%7B")
    assert unquote(url.partition("filter=")[2]) == '{a="1", b="say \\"hi\\"\\\\\\n"}'
    assert silence("https://am.example.org", {}) == ""


def test_the_links_of_a_card_in_their_order() -> None:
    view = VIEWS["three"]
    found = links(view, view.alerts, (), READER)
    assert [link.text for link in found] == ["Runbook", "Graph", "Silence", "Dashboard"]
    assert found.first == found.graph == "https://prometheus.example.org/graph?g0.expr=up"
    assert (
        found[0].spans[0].value
        == found.runbook
        == "https://runbooks.example.org/KubePodCrashLooping"
    )


def test_a_resolved_card_offers_no_silence() -> None:
    view = VIEWS["resolved"]
    assert [link.text for link in links(view, view.alerts, (), READER)] == [
        "Runbook",
        "Graph",
        "Dashboard",
    ]


def test_without_any_address_there_is_no_link() -> None:
    view = replace(VIEWS["bare"], alerts=(), external_url="")
    found = links(view, (), (), READER)
    assert (len(found), found.first) == (0, "")
