"""How the local Telegram reads text, held against Telegram's own library (package tdjson)."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tdjson import td_execute

from relay.sandbox.telegram_form import ApiError, Form
from relay.sandbox.telegram_text import formatted, link_works, styled
from tests.sandbox import telegram_parser

TD = {"bold": "textEntityTypeBold", "code": "textEntityTypeCode"}
TEXTS = st.text("ab 😀é\n", max_size=8)
ENTITY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["bold", "code"]),
        "offset": st.integers(-1, 9),
        "length": st.integers(-1, 9),
    }
)


def form(text: str, **parameters: object) -> Form:
    return Form(
        {"text": text, **{name: json.dumps(value) for name, value in parameters.items()}}, {}
    )


def telegram_takes(text: str, entities: list[dict[str, object]]) -> bool:
    """Whether Telegram's library takes these entities with this text."""
    parts = [
        {
            "@type": "textEntity",
            "offset": e["offset"],
            "length": e["length"],
            "type": {"@type": TD[str(e["type"])]},
        }
        for e in entities
    ]
    request = {
        "@type": "getMarkdownText",
        "text": {"@type": "formattedText", "text": text, "entities": parts},
    }
    return bool(json.loads(td_execute(json.dumps(request).encode()) or b"{}")["@type"] != "error")


def sandbox_takes(text: str, entities: list[dict[str, object]]) -> bool:
    try:
        formatted(form(text, entities=entities), "text", 4096, telegram_parser)
    except ApiError:
        return False
    return True


@given(TEXTS, ENTITY)
@example("x😀", {"type": "bold", "offset": 0, "length": 2})
@example("x😀", {"type": "bold", "offset": 2, "length": 1})
@example("x😀", {"type": "bold", "offset": 1, "length": 3})
@example("", {"type": "bold", "offset": 1, "length": 0})
def test_an_entity_is_taken_when_telegram_takes_it(text: str, entity: dict[str, object]) -> None:
    assert sandbox_takes(text, [entity]) == telegram_takes(text, [entity])


@given(TEXTS, st.lists(ENTITY, max_size=4))
def test_entities_that_are_taken_are_taken_by_telegram_too(
    text: str, entities: list[dict[str, object]]
) -> None:
    assert telegram_takes(text, entities) or not sandbox_takes(text, entities)


@given(TEXTS)
def test_styles_cover_the_same_characters_as_the_entities(text: str) -> None:
    length = len(text.encode("utf-16-le")) // 2
    styles = styled(text, [{"type": "bold", "offset": 0, "length": length}]).styles
    assert [(style.start, style.end) for style in styles] == [(0, len(text))]


def test_white_space_around_the_text_goes_and_the_entities_move() -> None:
    bold = {"type": "bold", "offset": 0, "length": 4}
    code = {"type": "code", "offset": 4, "length": 3}
    content = formatted(form("  ab c \n", entities=[bold, code]), "text", 4096, telegram_parser)
    assert content.text == "ab c"
    assert [(e["type"], e["offset"], e["length"]) for e in content.entities] == [
        ("bold", 0, 2),
        ("code", 2, 2),
    ]


def test_a_hundred_entities_stay_and_bold_goes_first() -> None:
    entities = [
        {"type": kind, "offset": n, "length": 1}
        for n, kind in enumerate(["bold"] * 60 + ["code"] * 60)
    ]
    content = formatted(form("x" * 120, entities=entities), "text", 4096, telegram_parser)
    kinds = [e["type"] for e in content.entities]
    assert (kinds.count("bold"), kinds.count("code")) == (40, 60)
    assert content.lost == ("20 entities dropped",)


def test_what_apps_make_clickable_by_themselves_is_found_outside_code() -> None:
    text = "/var @oncall node-1.example.com 10.0.0.1:9100 http://prometheus:9090"
    found = [e["type"] for e in formatted(form(text), "text", 4096, telegram_parser).entities]
    assert found == ["bot_command", "mention", "url", "url"]
    code = {"type": "code", "offset": 0, "length": len(text)}
    assert [
        e["type"]
        for e in formatted(form(text, entities=[code]), "text", 4096, telegram_parser).entities
    ] == ["code"]


@pytest.mark.parametrize(
    ("url", "works"),
    [
        ("https://example.org/a?b#c", True),
        ("http://10.0.0.1:9090", True),
        ("http://[::1]:9090/", True),
        ("example.org", True),
        ("tg://user?id=5", True),
        ("http://prometheus:9090", False),
        ("http://localhost", False),
        ("javascript:alert(1)", False),
        ("ftp://example.org", False),
        ("/graph", False),
        ("http://[", False),
    ],
)
def test_a_link_is_kept_when_telegram_keeps_it(url: str, works: bool) -> None:
    assert link_works(url) is works
    html = telegram_parser.parse(f'<a href="{url}">x</a>', "html")[1]
    assert bool(html) is works
