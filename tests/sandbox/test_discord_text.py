"""How Discord's app shows its Markdown."""

import pytest

from relay.sandbox.discord_text import plain, read

CASES = [
    (
        "**a** *b* _c_ __d__ ~~e~~ ||f|| `g`",
        "a b c d e f g",
        "bold italic italic underline strikethrough spoiler code",
    ),
    ("***a***", "a", "bold italic"),
    ("**a _b_ c**", "a b c", "bold italic"),
    (r"\*a\* \_b\_ \`c\` \\ \<@5\>", r"*a* _b_ `c` \ <@5>", ""),
    ("node_exporter_x a*b 2*3*4 __init__", "node_exporter_x ab 23*4 init", "italic underline"),
    ("``a`b``", "a`b", "code"),
    ("`**a**`", "**a**", "code"),
    ("```py\nx = 1\n```", "x = 1\n", "pre=py"),
    ("[Runbook](https://example.org/a_(b))", "Runbook", "link=https://example.org/a_(b)"),
    (
        "<https://example.org> https://example.org/x.",
        "https://example.org https://example.org/x.",
        "link link",
    ),
    ("> a\n> b\nc", "a\nb\nc", "quote"),
    (">>> a\n\n# b", "a\n\n# b", "quote"),
    ("# A\n-# b\n## C", "A\nb\nC", "heading=1 subtext heading=2"),
    ("<@5> <@&6> <#7> @everyone", "<@5> <@&6> <#7> @everyone", "mention mention mention mention"),
    (
        "<t:0:R> <t:0:t> <t:0>",
        "00:00 UTC 00:00 UTC 1 January 1970 00:00 UTC",
        "time=0:R time=0:t time=0:f",
    ),
    ("||a\nb||", "a\nb", "spoiler"),
    ("a ** b __ c", "a ** b __ c", ""),
]


@pytest.mark.parametrize(("markdown", "text", "styles"), CASES)
def test_markup_becomes_styles_over_plain_text(markdown: str, text: str, styles: str) -> None:
    found = read(markdown)
    assert found.text == text
    named = [(s.kind, s.value) for s in sorted(found.styles, key=lambda s: (s.start, -s.end))]
    wanted = [
        (kind, value) for kind, _, value in (style.partition("=") for style in styles.split())
    ]
    assert [
        (kind, value if wish else "")
        for (kind, value), (_, wish) in zip(named, wanted, strict=True)
    ] == wanted


def test_a_message_reads_from_content_to_footer() -> None:
    embed: dict[str, object] = {
        "title": "**T**",
        "description": "D",
        "fields": [{"name": "n", "value": "`v`"}],
        "footer": {"text": "F"},
        "author": {"name": "A"},
    }
    assert plain("*C*", [embed]) == "C\nA\nT\nD\nn: v\nF"
