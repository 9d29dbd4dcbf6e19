"""Links: the ones that help, and only those that work from outside."""

from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from relay.core.routing.lane import LinkRewrite
from relay.core.template import sample
from relay.core.template.links import inside, links, outside, rewrite_hint, silence
from relay.core.template.sample import VIEWS, alert, view
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


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://prometheus:9090/graph?g0.expr=up", "http://prometheus:9090"),
        ("http://alertmanager.monitoring.svc:9093", "http://alertmanager.monitoring.svc:9093"),
        ("https://prom.example.org/x", ""),
        ("https://prom.example.org/" + "x" * 2000, ""),
        ("http://rewritten:9090/x", ""),
        ("/graph", ""),
        ("javascript:x", ""),
        ("http:///x", ""),
    ],
)
def test_of_an_address_that_works_only_inside_the_scheme_and_host_are_told(
    url: str, address: str
) -> None:
    rules = (LinkRewrite("http://rewritten:9090", "https://prom.example.org"),)
    assert inside(url, rules) == address
    hint = rewrite_hint("http://prometheus:9090")
    assert hint == (
        "link_rewrites: [{match: 'http://prometheus:9090', "
        "replace: 'https://prometheus.example.org'}]"
    )


_POD = {"alertname": "A", "severity": "critical", "namespace": "shop", "pod": "cart-1"}


@pytest.mark.parametrize(
    ("labels", "matchers"),
    [
        ([{"alertname": "A", "b": 'say "hi"\\\n'}], 'alertname="A", b="say \\"hi\\"\\\\\\n"'),
        ([_POD], 'alertname="A", namespace="shop", severity="critical"'),
        ([_POD, {**_POD, "pod": "cart-2"}], 'alertname="A", namespace="shop", severity="critical"'),
        ([_POD, {**_POD, "alertname": "B.1"}],
         'alertname=~"A|B\\\\.1", namespace="shop", severity="critical"'),
        ([{"alertname": "A", "instance": "db-1"}], 'alertname="A", instance="db-1"'),
        ([{"severity": "critical"}], ""),
        ([{"severity": "critical"}, {"severity": "critical", "pod": "a"}], ""),
        ([{"severity": "critical", "cluster": "eu"}], 'cluster="eu", severity="critical"'),
    ],
)  # fmt: skip
def test_a_new_silence_covers_every_firing_alert_by_what_they_share(
    labels: list[dict[str, str]], matchers: str
) -> None:
    card = view(tuple(alert(1, labels=each) for each in labels))
    url = silence(replace(card, external_url="https://am.example.org/am/"))
    assert unquote(url.partition("filter=")[2]) == (f"{{{matchers}}}" if matchers else "")
    assert not url or url.startswith("https://am.example.org/am/#/silences/new?filter=%7B")


def test_the_links_of_a_card_in_their_order() -> None:
    card = VIEWS["three"]
    found = links(card, card.alerts, sample.POLICY, READER)
    assert [link.text for link in found] == ["Runbook", "Graph", "Silence", "Dashboard"]
    assert found.first == found.graph == "https://prometheus.example.org/graph?g0.expr=up"
    assert (
        found[0].spans[0].value
        == found.runbook
        == "https://runbooks.example.org/KubePodCrashLooping"
    )


def test_a_resolved_card_offers_no_silence() -> None:
    card = VIEWS["resolved"]
    assert [link.text for link in links(card, card.alerts, sample.POLICY, READER)] == [
        "Runbook",
        "Graph",
        "Dashboard",
    ]


def test_without_any_address_there_is_no_link() -> None:
    card = replace(VIEWS["bare"], alerts=(), external_url="")
    found = links(card, (), sample.POLICY, READER)
    assert (len(found), found.first) == (0, "")
