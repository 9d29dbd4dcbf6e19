"""From any bytes to the requests of both platforms: a body that is not a payload ends as a typed
error, any other is told.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.alert import Notification
from relay.core.card.card import Card, Head
from relay.core.card.fold import Arriving, fold
from relay.core.card.lane_state import LaneState
from relay.core.card.ripening import ripen
from relay.core.card.step import Edit, MessageRef, Post, Reply, ReplyKind
from relay.core.routing.lane import Platform, Target
from relay.core.routing.matcher import parse as matchers
from relay.core.routing.route import Delivery, Route, Routing, deliveries
from relay.core.template.build_view import build_view
from relay.core.template.template import render
from relay.core.webhook.payload import parse
from relay.core.webhook.shape import PayloadError
from relay.platforms import PLATFORMS
from tests.build import POLICY, T0
from tests.platforms import hostile
from tests.world import SPARE, TEMPLATES, discord_target, telegram_target

RECORDED = [
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "payloads").glob("*/*.json"))
]
GIVEN = [json.loads(body) for body in RECORDED]
PIECES = (
    b'"', b"\\", b"\\u", b"\\ud83d", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":", b"null",
    b"true", b"-1e999",
    b"9" * 400, b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"[" * 40, b"resolved",
    b"firing",
    b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"<b>", b"@everyone", b'"alerts":[{}],',
)  # fmt: skip
REF = MessageRef("-1001", "", "7")
REPLIES: tuple[ReplyKind, ...] = ("joined", "repeated", "resolved", "again")
ALONE = replace(POLICY, receiver="pages", per="alert", template="telegram.md2.j2", language="fr")
TARGETS = (telegram_target(), discord_target(), telegram_target(SPARE, ALONE))
PAGED = Route("pages", matchers('severity=~"critical|page|.*\\\\d+"'), continue_=True)
ROUTING = Routing(
    Route("ops", (), False, (PAGED, Route("ops", matchers('alertname=~".*"')))),
    {"ops": TARGETS[:2], "pages": TARGETS[2:]},
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A recorded body with some bytes lost, and others put in."""
    body = draw(st.sampled_from(RECORDED))
    for _ in range(draw(st.integers(1, 4))):
        at, lost = draw(st.integers(0, len(body))), draw(st.sampled_from((0, 0, 1, 2, 30)))
        body = (
            body[:at]
            + draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)))
            + body[at + lost :]
        )
    return body


texts = st.one_of(hostile.texts, st.text(st.characters(exclude_categories=()), max_size=12))
scalars = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        (
            "",
            "firing",
            "resolved",
            "critical",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "x" * 9000,
        )
    ),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A recorded body in which some values are others, of any kind."""
    body = json.loads(json.dumps(draw(st.sampled_from(GIVEN))))
    for _ in range(draw(st.integers(1, 5))):
        node: Any = body
        while isinstance(node, (dict, list)) and node:
            key = draw(
                st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node)))
            )
            inner = node[key]
            if not isinstance(inner, (dict, list)) or not inner or draw(st.integers(0, 3)) == 0:
                node[key] = draw(values)
                break
            node = inner
    return json.dumps(body).encode()


bodies = st.one_of(
    damaged(),
    altered(),
    altered(),
    st.builds(lambda alerts, rest: json.dumps({**rest, "alerts": alerts}).encode(),
        st.lists(values, max_size=4),
              st.dictionaries(st.sampled_from(sorted(GIVEN[0])), values, max_size=4)),
    st.binary(max_size=60),
)  # fmt: skip


@pytest.mark.medium
def test_any_bytes_are_refused_with_a_typed_error_or_told_on_both_platforms() -> None:
    property_of(examples=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_any_bytes_are_refused_with_a_typed_error_or_told_on_both_platforms_in_the_long_run() -> (
    None
):
    property_of(examples=int(os.environ.get("RELAY_EXAMPLES", "500")))


@pytest.mark.parametrize("body", RECORDED, ids=range(len(RECORDED)))
def test_a_recorded_body_is_told_on_both_platforms(body: bytes) -> None:
    assert {"telegram", "discord"} <= set(told_on(body))


def property_of(examples: int) -> None:
    """Sends that many bodies the whole way."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(bodies)
    @example(b"")
    @example(b"\xef\xbb\xbf{}")
    @example(
        b'{"alerts": [null, 1, [], {}, {"status": "firing"}, {"status": "resolved", '
        b'"labels": {"\\ud800": "\\udfff"}}]}'
    )
    def ends_well(body: bytes) -> None:
        told_on(body)

    ends_well()


def told_on(body: bytes) -> list[Platform]:
    """Where the body leads to a request; nowhere if it is no payload."""
    try:
        notifications = list(parse(body, "eu"))
    except PayloadError:
        return []
    return [platform for each in notifications for platform in sent(stored(each))]


def stored(posted: Notification) -> Notification:
    """As it comes back out of the store."""
    return msgspec.json.decode(msgspec.json.encode(posted), type=Notification)


def sent(posted: Notification) -> Iterator[Platform]:
    """Every step that a chat could take with what it gets, as a request."""
    lanes = {target.lane: target for target in TARGETS}
    for delivery in deliveries(ROUTING, posted).deliveries:
        target = lanes[delivery.lane]
        card = folded(posted, delivery, target)
        about = tuple(entry.fingerprint for entry in card.entries[:3])
        replies = (Reply(REF, kind, silent=False, about=about) for kind in REPLIES)
        steps: tuple[Post | Edit | Reply, ...] = (
            (Post(silent=False), Edit(REF), *replies) if card.entries else ()
        )
        for step in steps:
            requested(card, target, step)
            yield target.lane.platform


def folded(posted: Notification, delivery: Delivery, target: Target) -> Card:
    """The card after the delivery, its holds over."""
    chosen = (
        posted.alerts
        if delivery.alerts is None
        else tuple(posted.alerts[index] for index in delivery.alerts)
    )
    head = Head(
        posted.group_labels,
        posted.route_labels,
        posted.external_url,
        posted.reason,
        posted.truncated,
        posted.state,
    )
    arriving = Arriving(1, T0, head, chosen, last=True, whole=not posted.truncated)
    card = fold(
        Card(posted.group, delivery.fingerprint, target.policy.receiver), [arriving], target.policy
    ).card
    return ripen(card, target.policy, T0 + 60)


def requested(card: Card, target: Target, step: Post | Edit | Reply) -> None:
    """The request of the step, with style and without, whose message fits and came of the
    template.
    """
    platform = PLATFORMS[target.lane.platform]
    kind = step.kind if isinstance(step, Reply) else None
    view = build_view(card, LaneState(), step, target.policy, T0 + 60)
    rendered = render(
        TEMPLATES, target.policy, view, "reply" if kind else "card", kind, platform.FORM
    )
    assert rendered.failed == ""
    assert platform.fits(rendered.message)
    for plain in (False, True):
        request = platform.request(
            target.endpoint, target.policy, step, rendered.message, plain=plain
        )
        assert request.body.decode()
