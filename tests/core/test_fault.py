"""Faults as they are shown: a place, a sentence, the line with a caret, and no secret."""

import pytest

from relay.config.config import secret_keys
from relay.config.fault import Fault, mask_line, ordered, render
from relay.config.yaml_tree import read
from relay.platforms import PLATFORMS


def test_a_fault_is_shown_with_its_line_and_a_caret() -> None:
    assert (
        render(Fault("f.yml", 3, 5, "wrong", excerpt="  a: b"))
        == "f.yml:3:5: wrong\n      a: b\n        ^"
    )
    assert render(Fault("f.yml", 3, 5, "odd", "warning")) == "f.yml:3:5: warning: odd"


def test_a_long_line_is_shown_around_its_column() -> None:
    head, line, caret = render(
        Fault("f", 1, 5001, "wrong", excerpt="x" * 5000 + "y" + "z" * 5000)
    ).splitlines()
    assert len(line) < 200
    assert line[caret.index("^")] == "y"
    assert head == "f:1:5001: wrong"


def test_faults_stand_in_the_order_of_the_file_each_once() -> None:
    first, second, other = Fault("b", 2, 1, "x"), Fault("b", 10, 1, "y"), Fault("a", 1, 1, "z")
    assert ordered([other, second, first, first], "b") == (first, second, other)


@pytest.mark.parametrize(
    "line",
    [
        "bot_token: 1000001:canary",
        'telegram_bot_token: "canary"',
        "- {webhook_url: https://example.org/canary, x: y}",
        "bot_tokn: 1000001:canary_canary_canary",
        "url: https://discord.com/api/webhooks/1/canary",
        "proxy: http://user:canary@proxy:3128",
        "url: https://api.telegram.org/bot1000001:canary_canary_canary/getMe",
        "password: canary",
        "'webhook_url' : canary",
        "authorization: {credential: canary}",
        "X-Key: {secret: [canary, 'canary two']}",
        "secrets: canary",
    ],
)
def test_what_looks_like_a_secret_is_starred_out_in_its_own_width(line: str) -> None:
    masked = mask_line(line)
    assert "canary" not in masked
    assert len(masked) == len(line)


@pytest.mark.parametrize(
    "line",
    [
        "bot_token_file: /run/secrets/telegram",
        "credentials_file: /run/secrets/am",
        "webhook_url_file: {label: team, allow: {db: x}}",
        'team="db:web"',
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert mask_line(line) == line


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  bot_token: >-\n    canary\n    canary\n  b: c\n",
        "a:\n  bot_token: 'canary\n    canary'\n  b: c\n",
        "x: &x canary\na: {bot_token: *x}\n",
        "a: {webhook_url: {allow: {db: canary}}}\n",
        "a: {bot_token: [canary]}\n",
        "a: {? bot_token\n    : canary}\n",
    ],
)
def test_a_secret_is_hidden_in_whatever_form_yaml_has_it(text: str) -> None:
    source, faults = read("f", text.encode(), secret_keys(PLATFORMS))
    assert not faults
    assert not any("canary" in source.excerpt(line) for line in range(len(source.lines)))
