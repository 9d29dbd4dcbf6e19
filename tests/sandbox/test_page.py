"""Messages drawn for the terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sandbox.page import draw
from relay.sandbox.terminal_text import columns

TELEGRAM: dict[str, object] = {
    "text": (
        "🔴 critical HighErrorRate · payments\n12 % of requests fail\ncluster: prod-1\nnamespace: a"
    ),
    "entities": [
        {"type": "bold", "offset": 0, "length": 25},
        {"type": "expandable_blockquote", "offset": 59, "length": 28},
    ],
    "reply_markup": {"inline_keyboard": [[{"text": "Runbook"}, {"text": "Graph"}]]},
}
DISCORD: dict[str, object] = {
    "username": "Alerts",
    "content": "**hello**",
    "embeds": [
        {
            "title": "🟢 resolved HighErrorRate",
            "color": 0x30A46C,
            "description": "3 alerts, 12:04 to 12:31",
            "fields": [{"name": "cluster", "value": "prod-1"}],
            "footer": {"text": "web"},
            "timestamp": "2026-11-22T12:04:00Z",
        }
    ],
}


def test_a_telegram_message_is_a_bubble() -> None:
    assert draw("telegram", TELEGRAM, 40, foot="12:04") == "\n".join(
        [
            "╭──────────────────────────────────────╮",
            "│ 🔴 critical HighErrorRate · payments │",
            "│ 12 % of requests fail                │",
            "│ ▎ cluster: prod-1                    │",
            "│ ▎ namespace: a                       │",
            "│ [ Runbook ] [ Graph ]                │",
            "│                                12:04 │",
            "╰──────────────────────────────────────╯",
        ]
    )


def test_a_discord_message_is_a_bubble_with_its_embed() -> None:
    assert draw("discord", DISCORD, 40) == "\n".join(
        [
            "╭─────────────────────────────╮",
            "│ Alerts  APP                 │",
            "│ hello                       │",
            "│ ▌ 🟢 resolved HighErrorRate │",
            "│ ▌ 3 alerts, 12:04 to 12:31  │",
            "│ ▌ cluster  prod-1           │",
            "│ ▌ web · 12:04               │",
            "╰─────────────────────────────╯",
        ]
    )


def test_colours_change_no_character() -> None:
    for platform, body in (("telegram", TELEGRAM), ("discord", DISCORD)):
        coloured = draw(platform, body, 40, colour=True)
        assert "\x1b[1" in coloured
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == draw(platform, body, 40)


@given(st.text(max_size=200), st.integers(12, 46))
def test_any_text_stays_inside_its_frame_and_no_control_character_reaches_the_terminal(
    text: str, width: int
) -> None:
    lines = draw("telegram", {"text": text}, width).split("\n")
    assert {columns(line) for line in lines} == {columns(lines[0])}
    assert columns(lines[0]) <= width + 1, "a wide character alone may need one more column"
    assert not any(
        ord(character) < 32 or 127 <= ord(character) < 160 for line in lines for character in line
    )


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("🔴", 2),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("👨\u200d👩\u200d👧", 2),
        ("⚠\ufe0f", 2),
        ("👍🏽", 2),
    ],
)
def test_the_width_is_what_a_terminal_shows(text: str, width: int) -> None:
    assert columns(text) == width
