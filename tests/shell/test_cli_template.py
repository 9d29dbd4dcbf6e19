"""`template render`: what each chat would get, drawn or as JSON."""

import json
from pathlib import Path

import pytest

from relay.__main__ import main

PAYLOADS = Path(__file__).parent.parent / "payloads"
CONFIG = """\
global: {telegram_bot_token: "1:a", timezone: Europe/Paris}
route: {receiver: ops}
receivers:
  - name: ops
    telegram_configs: [{chat_id: -100123}]
    discord_configs: [{webhook_url: "https://discord.com/api/webhooks/1/x"}]
  - name: each
    telegram_configs: [{chat_id: -100124, per: alert, parse_mode: none}]
  - name: nobody
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relay.yml").write_text(CONFIG)


def _render(*options: str) -> int:
    return main(["template", "render", *options])


@pytest.mark.medium
def test_without_a_payload_samples_are_drawn_for_each_chat(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _render("--receiver=ops", "--sample=one") == 0
    out = capsys.readouterr().out
    assert out.index("telegram, one:\n╭") < out.index("discord, one:\n╭")
    assert out.count("🔴 critical HighErrorRate") == 2


def test_a_payload_as_the_bodies_that_the_platforms_would_get(
    capsys: pytest.CaptureFixture[str],
) -> None:
    payload = PAYLOADS / "alertmanager-0.33.1" / "02-joined.json"
    assert _render("--receiver=ops", f"--payload={payload}", "-o", "json") == 0
    telegram, discord = json.loads(capsys.readouterr().out)
    assert (telegram["platform"], telegram["method"]) == ("telegram", "sendMessage")
    assert telegram["body"]["chat_id"] == -100123
    assert telegram["body"]["text"].startswith(
        "🔴 critical NodeFilesystemAlmostFull ×2 · payments, prod-1\nFilesystem "
    )
    assert (discord["platform"], discord["method"]) == ("discord", "execute_webhook")
    assert discord["body"]["content"] == (
        "🔴 **critical NodeFilesystemAlmostFull** ×2 · payments, prod-1"
    )
    assert "title" not in discord["body"]["embeds"][0]


def test_a_receiver_with_a_card_for_each_alert_gets_that_many(
    capsys: pytest.CaptureFixture[str],
) -> None:
    payload = PAYLOADS / "alertmanager-0.25.0" / "02-joined.json"
    assert _render("--receiver=each", f"--payload={payload}", "-o", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--receiver=opps"], "no receiver 'opps' with a chat; there is each, ops"),
        (["--receiver=nobody"], "no receiver 'nobody' with a chat"),
        (["--receiver=ops", "--payload=nowhere.json"], "cannot read the payload nowhere.json"),
        (["--receiver=ops", "--payload=relay.yml"], "cannot read the payload relay.yml"),
        (["--receiver=ops", "--config.file=gone.yml"], "no configuration at gone.yml"),
        ([], "--receiver"),
    ],
)
def test_what_cannot_be_rendered_is_said_in_one_line(
    options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _render(*options) == 2
    printed = capsys.readouterr()
    assert why in printed.err
    assert printed.err.count("\n") == 1
