"""The walk, the regrouping per chat and the drawing of the tree, as tables."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.alert import Alert, Labels
from relay.core.routing.explain import draw, explain
from relay.core.routing.lane import LaneKey, Policy, Target
from relay.core.routing.matcher import parse
from relay.core.routing.route import (
    Delivery,
    Route,
    Routed,
    Routing,
    deliveries,
    walk,
)
from relay.core.routing.unreachable import unreachable
from tests.build import POLICY, alert, notification, target


def route(receiver: str, matchers: str = "", *routes: Route, goes_on: bool = False) -> Route:
    return Route(receiver, parse(matchers), goes_on, routes)


TREE = route(
    "ops",
    "",
    route(
        "dba",
        "team=db",
        route("dba-pager", "severity=critical"),
        route("dba-audit", "env=~'prod|stage'".replace("'", '"'), goes_on=True),
        route("dba-mail", 'env="prod"'),
        goes_on=True,
    ),
    route("web", 'team=~"db|web"', route("web-night", "shift=night")),
    route("orphans", 'team=""'),
    route("late", "late=yes", goes_on=True),
)

WALKS: list[tuple[Labels, list[str]]] = [
    ({"team": "db", "severity": "critical"}, ["dba-pager", "web"]),
    ({"team": "db", "severity": "critical", "env": "prod"}, ["dba-pager", "web"]),
    ({"team": "db", "env": "prod"}, ["dba-audit", "dba-mail", "web"]),
    ({"team": "db", "env": "stage"}, ["dba-audit", "web"]),
    ({"team": "db"}, ["dba", "web"]),
    ({"team": "db", "shift": "night"}, ["dba", "web-night"]),
    ({"team": "web"}, ["web"]),
    ({"team": "web", "late": "yes"}, ["web"]),
    ({"team": "net"}, ["ops"]),
    ({"team": "net", "late": "yes"}, ["late"]),
    ({}, ["orphans"]),
    ({"late": "yes"}, ["orphans"]),
]


@pytest.mark.parametrize(("labels", "receivers"), WALKS)
def test_an_alert_reaches_the_receivers_that_alertmanager_would_choose(
    labels: Labels, receivers: list[str]
) -> None:
    assert [reached.receiver for reached in walk(TREE, labels)] == receivers


def test_a_root_that_does_not_match_is_not_reached() -> None:
    assert walk(route("ops", "team=db"), {"team": "web"}) == ()


@given(
    st.dictionaries(
        st.sampled_from(["team", "severity", "env", "shift", "late"]),
        st.text("dbwe") | st.just("prod"),
    )
)
def test_what_is_explained_is_what_is_walked(labels: Labels) -> None:
    explained = explain(TREE, labels)
    assert tuple(step.route for step in explained if step.reached) == walk(TREE, labels)


def test_an_explanation_names_the_matcher_that_decided() -> None:
    lines = [
        (step.depth, step.route.receiver, str(step.failed or ""), step.reached)
        for step in explain(TREE, {"team": "net", "late": "yes"})
    ]
    assert lines == [
        (0, "ops", "", False),
        (1, "dba", 'team="db"', False),
        (1, "web", 'team=~"db|web"', False),
        (1, "orphans", 'team=""', False),
        (1, "late", "", True),
    ]


def test_the_tree_is_drawn_as_amtool_draws_it() -> None:
    assert draw(TREE) == (
        "Routing tree:\n"
        ".\n"
        "└── default-route  receiver: ops\n"
        '    ├── {team="db"}  continue: true  receiver: dba\n'
        '    │   ├── {severity="critical"}  receiver: dba-pager\n'
        '    │   ├── {env=~"prod|stage"}  continue: true  receiver: dba-audit\n'
        '    │   └── {env="prod"}  receiver: dba-mail\n'
        '    ├── {team=~"db|web"}  receiver: web\n'
        '    │   └── {shift="night"}  receiver: web-night\n'
        '    ├── {team=""}  receiver: orphans\n'
        '    └── {late="yes"}  continue: true  receiver: late\n'
    )


UNREACHABLE: list[tuple[Route, list[tuple[str, str]]]] = [
    (TREE, []),
    (route("r", "", route("all"), route("never", "a=1")), [("never", "all")]),
    (route("r", "", route("all", goes_on=True), route("b", "a=1")), []),
    (route("r", "", route("one", "a=1"), route("same", "a=1")), [("same", "one")]),
    (route("r", "", route("one", "a=1"), route("narrower", "b=2,a=1")), [("narrower", "one")]),
    (route("r", "", route("one", "a=1,b=2"), route("wider", "a=1")), []),
    (route("r", "", route("x", "", route("one", "a=1"), route("two", "a=1"))), [("two", "one")]),
    (
        route("r", "", route("all"), route("never", "", route("one"), route("two"))),
        [("never", "all")],
    ),
    (
        route("r", "", route("one", "a=1"), route("two", "a=1"), route("three", "a=1")),
        [("two", "one"), ("three", "one")],
    ),
]


@pytest.mark.parametrize(("tree", "expected"), UNREACHABLE)
def test_a_route_behind_one_that_takes_all_of_its_alerts_is_named(
    tree: Route, expected: list[tuple[str, str]]
) -> None:
    assert [
        (found.route.receiver, found.taker.receiver if found.taker else "")
        for found in unreachable(tree)
    ] == expected


def lane(chat: str) -> LaneKey:
    return LaneKey("telegram", "https://api.telegram.org", "111", chat)


def chat(name: str, receiver: str, policy: Policy = POLICY) -> Target:
    return target(lane(name), replace(policy, receiver=receiver))


PER_ALERT = replace(POLICY, per="alert")
CHATS = Routing(
    route(
        "ops",
        "",
        route("db", "alertname=Db", goes_on=True),
        route("pager", "severity=critical"),
        route("nobody", "alertname=Noise"),
        route("each", "alertname=Each"),
        route("db-too", "alertname=DbToo"),
    ),
    {
        "ops": (chat("ops", "ops"),),
        "db": (chat("db", "db"), chat("ops", "db")),
        "pager": (chat("pager", "pager"), chat("db", "pager")),
        "nobody": (),
        "each": (chat("each", "each", PER_ALERT), chat("ops", "each")),
        "db-too": (chat("db", "db-too"),),
    },
)


def due(
    name: str,
    receiver: str,
    alerts: tuple[int, ...] | None = None,
    *,
    of: str = "",
) -> Delivery:
    return Delivery(lane(name), receiver, of, alerts)


def place(delivery: Delivery) -> tuple[LaneKey, str]:
    return delivery.lane, delivery.fingerprint


DELIVERED: list[tuple[list[Alert], list[Delivery], int]] = [
    ([], [], 0),
    ([alert("a")], [due("ops", "ops")], 0),
    ([alert("a"), alert("b")], [due("ops", "ops")], 0),
    # One alert by two receivers into one chat: one delivery, the first receiver's.
    (
        [alert("a", name="Db", severity="critical")],
        [
            due("db", "db"),
            due("ops", "db"),
            due("pager", "pager"),
        ],
        0,
    ),
    # Two alerts by two receivers into one chat: one delivery, under the first.
    (
        [alert("a", name="Db"), alert("b", name="DbToo")],
        [due("db", "db"), due("ops", "db", (0,))],
        0,
    ),
    # Alerts part and meet again in their order.
    (
        [alert("a"), alert("b", name="Db"), alert("c"), alert("d", name="Noise")],
        [due("ops", "ops", (0, 1, 2)), due("db", "db", (1,))],
        1,
    ),
    ([alert("a", name="Noise"), alert("b", name="Noise")], [], 2),
    (
        [alert("a", name="Each"), alert("b", name="Each", severity="page")],
        [
            due("each", "each", (0,), of="Each/a"),
            due("each", "each", (1,), of="Each/b"),
            due("ops", "each"),
        ],
        0,
    ),
    ([alert("a", "resolved"), alert("b")], [due("ops", "ops")], 0),
    # The order of the alerts decides nothing.
    (
        [alert("b", name="DbToo"), alert("a", name="Db")],
        [due("db", "db"), due("ops", "db", (1,))],
        0,
    ),
    ([alert("a", name="Noise"), alert("b")], [due("ops", "ops", (1,))], 1),
]


@pytest.mark.parametrize(("alerts", "expected", "discarded"), DELIVERED)
def test_alerts_are_regrouped_per_chat(
    alerts: list[Alert], expected: list[Delivery], discarded: int
) -> None:
    routed = deliveries(CHATS, notification(*alerts))
    unrouted = [replace(each, route="") for each in routed.deliveries]
    assert sorted(unrouted, key=place) == sorted(expected, key=place)
    assert sum(len(each.alerts) for each in routed.discarded) == discarded


def test_an_alert_that_not_even_the_root_takes_goes_to_the_root() -> None:
    routing = Routing(route("ops", "team=db"), {"ops": (chat("ops", "ops"),)})
    assert deliveries(routing, notification(alert("a"))) == Routed(
        (replace(due("ops", "ops"), route="root"),)
    )


NAMES = st.sampled_from(["Db", "Disk", "Noise", "Each", "DbToo"])
ALERTS = st.lists(
    st.builds(
        lambda name, severity, id_: alert(id_, name=name, severity=severity),
        NAMES,
        st.sampled_from(["critical", "page", "info"]),
        st.text(string.hexdigits, min_size=1),
    ),
    unique_by=lambda a: a.fingerprint,
)


@given(ALERTS)
def test_every_alert_arrives_once_in_each_chat_it_reaches_or_is_counted(
    alerts: list[Alert],
) -> None:
    routed = deliveries(CHATS, notification(*alerts))
    arrived = sorted(
        (delivery.lane.chat, index)
        for delivery in routed.deliveries
        for index in (range(len(alerts)) if delivery.alerts is None else delivery.alerts)
    )
    wanted = {
        (target.lane.chat, index)
        for index, each in enumerate(alerts)
        for reached in walk(CHATS.root, each.labels)
        for target in CHATS.targets[reached.receiver]
    }
    assert arrived == sorted(wanted)
    discarded = sorted(index for each in routed.discarded for index in each.alerts)
    assert discarded == sorted(set(range(len(alerts))) - {index for _, index in wanted})
    assert all(
        list(delivery.alerts) == sorted(delivery.alerts)
        for delivery in routed.deliveries
        if delivery.alerts
    )


def test_the_labels_that_a_tree_looks_at_are_those_of_all_its_matchers() -> None:
    assert TREE.label_names == ("env", "late", "severity", "shift", "team")
