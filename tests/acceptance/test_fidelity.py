"""Whatever an alert contains, the message arrives: generated payloads go the whole way, and every
judge reads them.

The judges are the sandbox (limits, parse errors, pings), Telegram's own finder of links and
commands, a reader of Discord's Markdown, and the platforms' specifications.
"""

import asyncio
import json
import os
import re
from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.card.card import Card, Head
from relay.core.card.fold import Arriving, fold
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Platform, Policy
from relay.core.template.build_view import build_view
from relay.core.template.template import Rendered, render
from relay.core.text.markup import MarkupName
from relay.core.text.message import Message
from relay.core.webhook.payload import parse
from relay.inbound.server import RequestLimits
from relay.platforms import PLATFORMS
from relay.platforms.http import Response
from relay.platforms.link import spelled
from relay.platforms.telegram.text import Entity, whole_address
from tests.build import POLICY, T0
from tests.platforms import hostile
from tests.platforms.automatic import found_in
from tests.platforms.discord_reader import read
from tests.platforms.specs import faults
from tests.world import CHANNEL, CHAT, TEMPLATES, World, discord_target, telegram_target


class Sent(Struct, frozen=True):
    """What of a request's body a person reads."""

    text: str = ""
    entities: tuple[Entity, ...] = ()
    content: str = ""
    embeds: tuple["SentEmbed", ...] = ()
    allowed_mentions: "SentMentions | None" = None


class SentEmbed(Struct, frozen=True):
    """One embed."""

    title: str = ""
    description: str = ""


class SentMentions(Struct, frozen=True):
    """Whom a message may tell."""

    users: tuple[str, ...]
    roles: tuple[str, ...]
    parse: tuple[str, ...]


VARIANTS: tuple[tuple[Platform, str, MarkupName], ...] = (
    ("telegram", "telegram.html.j2", "html"),
    ("telegram", "telegram.md2.j2", "markdownv2"),
    ("telegram", "telegram.md.j2", "markdown"),
    ("telegram", "plain.txt.j2", "none"),
    ("discord", "discord.md.j2", "discord"),
    ("discord", "telegram.html.j2", "html"),
    ("discord", "plain.txt.j2", "none"),
)
LINKS = {
    "Target",
    "Cible",
    "Runbook",
    "Procédure",
    "Graph",
    "Silence",
    "Dashboard",
    "Graphe",
    "Tableau de bord",
}
MOST = {
    "bold": 1,
    "expandable_blockquote": 2,
    "blockquote": 1,
    "text_link": 16,
    "italic": 4,
}  # in any of the templates
OURS = {*MOST, "code", "date_time"}
# An address in an annotation is a link under the link policy.
READABLE = {"autolink", "bold", "code", "link", "quote", "subtext", "time", "italic"}
_TOO_LARGE_TO_SHRINK = 100_000  # characters of a value: it would take hours and all memory
LENGTHS = (1, 1, 1, 1, 1, 5, 70, 1000)
values = st.one_of(hostile.texts, st.text(st.characters(exclude_categories=()), max_size=12))
addresses = st.one_of(hostile.addresses, st.just("https://prometheus.example.org/graph"), values)


@st.composite
def payloads(draw: st.DrawFn, most: int, largest: int) -> bytes:
    """A body of at most `most` alerts. Each is known by its `instance`, all else is drawn from one
    small pool, in which a value is repeated until it is up to `largest` characters long."""
    pool = [
        (
            text
            * draw(st.sampled_from(LENGTHS))
            * (largest // 1000 if draw(st.integers(0, 9)) == 0 else 1)
        )[:largest]
        for text in draw(st.lists(values, min_size=3, max_size=7))
    ]
    count = draw(st.sampled_from([count for count in (1, 2, 3, 9, 30, 100) if count <= most]))
    spread = draw(st.integers(1, 5))
    urls = draw(st.lists(addresses, min_size=2, max_size=2))
    firing = draw(st.sampled_from(("all", "some", "none")))

    def value(number: int, key: int) -> str:
        return pool[(number * spread + key) % len(pool)]

    alerts = [
        {
            "status": "firing"
            if firing == "all" or (firing == "some" and number % 3)
            else "resolved",
            "labels": {
                "alertname": pool[0] or "Disk",
                "severity": ("critical", "warning", pool[1])[number % 3],
                "instance": f"n{number:03}{value(number, 0)}",
                pool[1]: value(number, 1),
                "job": value(number, 2),
            },
            "annotations": {
                "summary": value(number, 3),
                "description": value(number, 4),
                "runbook_url": urls[0],
            },
            "startsAt": "2026-11-18T00:00:00Z" if number % 4 else value(number, 5),
            "generatorURL": urls[1],
            "fingerprint": f"f{number:015x}",
        }
        for number in range(count)
    ]
    envelope = {
        "alerts": alerts,
        "externalURL": urls[0],
        "groupKey": pool[0],
        "receiver": pool[1],
        "version": "4",
    }
    return json.dumps({**envelope, "groupLabels": {"alertname": pool[0], "team": pool[2]}}).encode()


@pytest.mark.medium
def test_every_generated_alert_arrives_and_is_named_or_counted() -> None:
    property_of(examples=10, most=30, largest=6_000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_generated_alert_arrives_and_is_named_or_counted_in_the_long_run() -> None:
    property_of(examples=int(os.environ.get("RELAY_EXAMPLES", "20")), most=100, largest=1024 * 1024)


@pytest.mark.parametrize("name", ["alertname", "severity", "instance", "cluster"])
@pytest.mark.parametrize(("platform", "template", "markup"), VARIANTS)
async def test_a_mebibyte_in_one_label_fails_no_template(
    platform: Platform, template: str, markup: MarkupName, name: str
) -> None:
    labels = {"alertname": "Disk", "severity": "warning", "instance": "n000", "cluster": "prod"}
    labels[name] += "x" * 1024 * 1024
    alert = {
        "status": "firing",
        "labels": labels,
        "startsAt": "2026-11-18T00:00:00Z",
        "fingerprint": "f" + "0" * 15,
    }
    body = json.dumps(
        {"alerts": [alert], "groupLabels": {"cluster": labels["cluster"]}, "version": "4"}
    ).encode()
    await check(body, platform, replace(POLICY, template=template, markup=markup))


def property_of(examples: int, most: int, largest: int) -> None:
    """Checks that many generated bodies on both platforms, with every template, in both
    languages.
    """
    slow = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
    phases = (
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
        *((Phase.shrink,) if largest < _TOO_LARGE_TO_SHRINK else ()),
    )

    @settings(max_examples=examples, suppress_health_check=slow, phases=phases)
    @given(payloads(most, largest), st.sampled_from(("en", "fr")))
    def arrives(body: bytes, language: str) -> None:
        assume(len(body) <= RequestLimits().max_body)
        for platform, name, markup in VARIANTS:
            policy = replace(POLICY, template=name, markup=markup, language=language)
            asyncio.run(check(body, platform, policy))

    arrives()


async def check(body: bytes, platform: Platform, policy: Policy) -> None:
    """A message, the same without style, an edit and a reply: all taken, and no more in them than
    was asked for.
    """
    world = World(
        telegram_target(policy=policy) if platform == "telegram" else discord_target(policy)
    )
    card = folded(body, policy)
    post = Post(silent=False)
    rendered = drawn(card, platform, policy, post)
    shown = await taken(world, policy, post, rendered)
    assert_all_told(card, rendered, read_text(shown))
    ref = reference(world)
    await taken(world, policy, post, rendered, plain=True)
    doubtful = replace(card, doubt=True)
    edit = Edit(ref)
    await taken(world, policy, edit, drawn(doubtful, platform, policy, edit))
    about = tuple(entry.fingerprint for entry in card.entries[:5])
    reply = Reply(ref, "joined", silent=False, about=about)
    await taken(world, policy, reply, drawn(card, platform, policy, reply))
    assert all(
        not version.pings
        for message in world.discord.messages(CHANNEL)
        for version in message.versions
    )


def folded(body: bytes, policy: Policy) -> Card:
    """The card that a first payload makes."""
    (posted,) = parse(body, "")
    head = Head(
        posted.group_labels,
        posted.route_labels,
        posted.external_url,
        posted.reason,
        posted.truncated,
        posted.state,
    )
    arriving = Arriving(1, T0, head, posted.alerts, last=True, whole=True)
    return fold(Card(posted.group, "", policy.receiver), [arriving], policy).card


def drawn(card: Card, platform: Platform, policy: Policy, step: Step) -> Rendered:
    view = build_view(card, LaneState(), step, policy, T0 + 1)
    form = PLATFORMS[platform].FORM
    if isinstance(step, Reply):
        rendered = render(TEMPLATES, policy, view, "reply", step.kind, form)
    else:
        rendered = render(TEMPLATES, policy, view, "card", None, form)
    assert rendered.failed == ""
    return rendered


async def taken(
    world: World, policy: Policy, step: Step, rendered: Rendered, *, plain: bool = False
) -> Sent:
    """What is read of the request, after every judge had it."""
    (target,) = world.routing.targets["ops"]
    request = PLATFORMS[target.lane.platform].request(
        target.endpoint, policy, step, rendered.message, plain=plain
    )
    assert faults(request) == []
    world.now += 60
    answer = await world.send(request)
    assert isinstance(answer, Response)
    assert (answer.status, answer.body if answer.status != 200 else b"") == (200, b"")
    body = msgspec.json.decode(request.body, type=Sent)
    if target.lane.platform == "telegram":
        assert_telegram_shows_what_was_asked_for(body, rendered.message if plain else None)
    else:
        assert_discord_shows_what_was_asked_for(body)
    return body


def assert_all_told(card: Card, rendered: Rendered, text: str) -> None:
    """Every alert is named, or counted in a number that stands there."""
    assert sorted((*rendered.named, *rendered.counted)) == sorted(
        entry.fingerprint for entry in card.entries
    )
    shown_as = {entry.fingerprint: entry.labels["instance"][:4] for entry in card.entries}
    assert [name for name in rendered.named if shown_as[name] not in text] == []
    assert not rendered.counted or re.search(rf"\b{len(rendered.counted)}\b", text)


def assert_telegram_shows_what_was_asked_for(sent: Sent, plain: Message | None) -> None:
    """Without entities, our own links are found by their addresses, each as a whole."""
    links = {
        ("textEntityTypeUrl", whole_address(spelled(span.value)))
        for span in (plain.body.spans if plain else ())
        if span.kind == "link"
    }
    assert [found for found in found_in(sent.text, sent.entities) if found not in links] == []
    kinds = Counter(entity.type for entity in sent.entities)
    assert kinds.keys() <= OURS
    assert {kind: number for kind, number in kinds.items() if number > MOST.get(kind, 100)} == {}
    units = sent.text.encode("utf-16-le")
    shown = [
        units[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le")
        for e in sent.entities
        if e.url
    ]
    assert {text for text in shown if not text.startswith("http")} <= LINKS


def assert_discord_shows_what_was_asked_for(sent: Sent) -> None:
    assert sent.allowed_mentions == SentMentions((), (), ())
    assert {name for text in discord_texts(sent) for name in read(text).found} <= READABLE


def discord_texts(sent: Sent) -> list[str]:
    """The parts that Discord reads as Markdown."""
    return [
        sent.content,
        *(text for embed in sent.embeds for text in (embed.title, embed.description)),
    ]


def read_text(sent: Sent) -> str:
    """What a person reads."""
    return sent.text or "\n".join(read(text).text for text in discord_texts(sent))


def reference(world: World) -> MessageRef:
    """The message that was just sent."""
    telegram = [str(message.id) for message in world.telegram.messages(CHAT)]
    discord = [str(message.id) for message in world.discord.messages(CHANNEL)]
    return MessageRef(str(CHAT), "", (telegram or discord)[-1])
