"""Independent judges of what the built-in templates make: Telegram's own parser, and the platforms'
specifications.
"""

from collections.abc import Sequence
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.card.step import Post, ReplyKind
from relay.core.card.view import View
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.template import sample, template
from relay.core.text.message import Form
from relay.platforms import discord, telegram
from relay.platforms.http import Request
from relay.platforms.telegram.text import Entity, write
from tests.golden.test_golden import REPLIES, TEMPLATES
from tests.platforms import hostile
from tests.platforms.automatic import found_in
from tests.platforms.specs import faults
from tests.tdjson_judge import Reading, telegram_reads

TELEGRAM = Endpoint(
    LaneKey("telegram", "https://api.telegram.org", "123456", "-1001"), Secret("123456:token")
)
DISCORD = Endpoint(
    LaneKey("discord", "https://discord.com/api", "99", ""),
    Secret("https://discord.com/api/webhooks/9/t"),
)
TELEGRAM_TEMPLATES = [name for name, markup in template.BUILT_IN.items() if markup != "discord"]
TAGS = {
    "bold": "b",
    "italic": "i",
    "code": "code",
    "expandable_blockquote": "blockquote expandable",
}
CASES: list[tuple[str, ReplyKind | None]] = [*((title, None) for title in sample.VIEWS), *REPLIES]


def _rendered(name: str, view: View, reply: ReplyKind | None = None) -> template.Rendered:
    policy = Policy("ops", name, template.BUILT_IN[name], timezone="Europe/Paris")
    form = Form(discord.excess if policy.markup == "discord" else telegram.excess)
    rendered = template.render(TEMPLATES, policy, view, "reply" if reply else "card", reply, form)
    assert rendered.failed == ""
    assert form.fits(rendered.message)
    return rendered


def _request(name: str, view: View, reply: ReplyKind | None = None) -> Request:
    policy, step = Policy("ops", name, template.BUILT_IN[name]), Post(silent=True)
    message = _rendered(name, view, reply).message
    if policy.markup == "discord":
        return discord.request(DISCORD, policy, step, message)
    return telegram.request(TELEGRAM, policy, step, message)


def _tag(entity: Entity) -> tuple[str, str]:
    if entity.type == "text_link":
        return f'<a href="{escape(entity.url)}">', "</a>"
    if entity.type == "date_time":
        return (
            f'<tg-time unix="{entity.unix_time}" format="{entity.date_time_format}">',
            "</tg-time>",
        )
    tag = TAGS[entity.type]
    return f"<{tag}>", f"</{tag.split()[0]}>"


def _as_html(text: str, entities: Sequence[Entity]) -> str:
    """The text with its entities as the HTML that a parse mode would take; nothing but escaping and
    nesting.
    """
    units = text.encode("utf-16-le")
    events = [(e.offset, 1, order, _tag(e)[0]) for order, e in enumerate(entities)]
    events += [(e.offset + e.length, 0, -order, _tag(e)[1]) for order, e in enumerate(entities)]
    pieces: list[str] = []
    position = 0
    for offset, _, _, tag in sorted(events):
        pieces += (escape(units[2 * position : 2 * offset].decode("utf-16-le"), quote=False), tag)
        position = offset
    return "".join(pieces) + escape(units[2 * position :].decode("utf-16-le"), quote=False)


@pytest.mark.parametrize("name", template.BUILT_IN)
@pytest.mark.parametrize(("title", "reply"), CASES)
def test_the_specification_finds_no_fault_in_any_request(
    name: str, title: str, reply: ReplyKind | None
) -> None:
    assert faults(_request(name, sample.VIEWS[title], reply)) == []


@pytest.mark.parametrize("name", TELEGRAM_TEMPLATES)
@pytest.mark.parametrize(("title", "reply"), CASES)
def test_telegrams_parser_accepts_the_text_and_finds_nothing_of_its_own(
    name: str, title: str, reply: ReplyKind | None
) -> None:
    text, entities = write(_rendered(name, sample.VIEWS[title], reply).message.body)
    reading = telegram_reads(_as_html(text, entities), "html")
    assert isinstance(reading, Reading), reading
    assert reading.text == text
    assert len(reading.spans) == len(entities)
    assert found_in(text, entities) == []


@given(
    values=st.lists(hostile.texts, min_size=6, max_size=6),
    count=st.integers(1, 5),
    name=st.sampled_from(sorted(template.BUILT_IN)),
)
def test_no_label_or_annotation_can_break_a_message_or_ping_anybody(
    values: list[str], count: int, name: str
) -> None:
    alertname, severity, pod, place, summary, url = values
    alerts = tuple(
        sample.alert(
            at,
            labels={
                "alertname": alertname,
                "severity": severity,
                "pod": f"{pod}{at}",
                "cluster": place,
            },
            annotations={
                "summary": summary,
                "description": url,
                "runbook_url": url,
                "dashboard_url": f"https://{place}",
            },
        )
        for at in range(count)
    )
    view = sample.view(alerts, about=alerts[:1], group={"cluster": place, "alertname": alertname})
    for reply in (None, "joined"):
        assert faults(_request(name, view, reply)) == []
    if name in TELEGRAM_TEMPLATES:
        text, entities = write(_rendered(name, view).message.body)
        assert isinstance(telegram_reads(_as_html(text, entities), "html"), Reading)
        assert found_in(text, entities) == []
