"""`send-test`: what arrives in real chats of the sandbox, what is said of it, and with which exit
status.
"""

import asyncio
import json
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.sandbox.server import Sandbox

TOKEN, GROUP, SPARE = "111:sandboxtoken", -1001, -1002
HOOK, CHANNEL = 222, 333


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Path:
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(GROUP, "supergroup", "On call")
    sandbox.telegram.add_chat(SPARE, "supergroup", "Spare")
    sandbox.discord.add_channel(CHANNEL, "alerts")
    sandbox.discord.add_webhook(HOOK, "hooktoken", CHANNEL)
    path = tmp_path / "relay.yml"
    path.write_text(f"""\
global: {{telegram_api_url: "{sandbox.url}", telegram_bot_token: "{TOKEN}"}}
route: {{receiver: ops, routes: [{{receiver: null-device, matchers: [a="b"]}}]}}
receivers:
  - name: ops
    telegram_configs:
      - chat_id: {GROUP}
        language: fr
        mentions: [{{matchers: [severity="critical"], user: "777", name: Ada}}]
    discord_configs:
      - webhook_url: {sandbox.url}/api/webhooks/{HOOK}/hooktoken
  - name: null-device
""")
    return path


def edit(config: Path, before: str, after: str) -> None:
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))


async def verb(*words: str) -> int:
    """The verb as a process of its own would run it, beside the sandbox."""
    return await asyncio.to_thread(main, ["send-test", *words])


async def test_each_chat_gets_one_message_that_says_at_once_that_it_is_a_test(
    sandbox: Sandbox, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verb("--receiver=ops", f"--config.file={config}") == 0
    (told,) = sandbox.telegram.messages(GROUP)
    assert told.text.startswith("TEST d'alert-relay : aucune alerte")
    assert "HighErrorRate" in told.text
    (posted,) = sandbox.discord.channels[CHANNEL].messages.values()
    content, embeds = (posted.versions[0].body[part] for part in ("content", "embeds"))
    assert str(content).startswith("**TEST of alert-relay: no alert")
    assert "HighErrorRate" in json.dumps(embeds)
    assert capsys.readouterr().out == (
        f"delivered  telegram chat {GROUP} ({config}:6): message {told.id}\n"
        f"delivered  discord webhook {HOOK} ({config}:10): message {posted.id}\n"
    )


async def test_nobody_is_mentioned_by_a_test(sandbox: Sandbox, config: Path) -> None:
    await verb("--receiver=ops", f"--config.file={config}")
    (told,) = sandbox.telegram.messages(GROUP)
    assert "Ada" not in told.text


async def test_the_sample_is_of_just_now(sandbox: Sandbox, config: Path) -> None:
    await verb("--receiver=ops", f"--config.file={config}")
    (told,) = sandbox.telegram.messages(GROUP)
    assert "(2\u00a0min)" in told.text


async def test_a_chat_that_several_labels_choose_gets_one_message(
    sandbox: Sandbox, config: Path
) -> None:
    chosen = (
        f"chat_id: {{label: team, allow: {{db: {GROUP}, web: {GROUP}, net: {SPARE}}}, "
        f"default: {GROUP}}}"
    )
    edit(config, f"chat_id: {GROUP}", chosen)
    assert await verb("--receiver=ops", f"--config.file={config}") == 0
    assert [len(sandbox.telegram.messages(chat)) for chat in (GROUP, SPARE)] == [1, 1]


@pytest.mark.parametrize(
    ("before", "after", "error", "remedy"),
    [
        (f"chat_id: {GROUP}", "chat_id: -1009", "chat not found", "add the bot to the chat"),
        (
            "111:sandbox",
            "112:sandbox",
            "the token is wrong or revoked (401: Unauthorized)",
            "token from BotFather",
        ),
        ("/222/hooktoken", "/222/wrongtoken", "token", "copy the webhook's URL"),
        ("/222/hooktoken", "/223/hooktoken", "webhook", "make a webhook in the channel's settings"),
        (
            f"chat_id: {GROUP}",
            f"chat_id: {GROUP}\n        message_thread_id: 9",
            "thread",
            "message_thread_id at",
        ),
    ],
)
async def test_what_a_chat_refuses_is_said_with_the_remedy_and_its_place(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    error: str,
    remedy: str,
) -> None:
    edit(config, before, after)
    assert await verb("--receiver=ops", f"--config.file={config}") == 1
    out = capsys.readouterr().out
    failed = out[out.index("failed   ") :]
    line, advice = failed.splitlines()[:2]
    assert error in line
    assert advice.startswith("           remedy: ")
    assert remedy in advice
    assert f"{config}:" in line
    assert "delivered  " in out


@pytest.mark.parametrize(
    ("kind", "error", "remedy"),
    [
        ("429", "too many calls", "run this again in 7 s"),
        ("502", "a gateway could not reach", "try again later"),
        ("cut after", "connection closed", "it may have the message"),
        ("not json", "an answer that is not Telegram's", "it may have the message"),
    ],
)
async def test_a_platform_in_trouble_is_told_from_a_faulty_configuration(
    sandbox: Sandbox,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    error: str,
    remedy: str,
) -> None:
    sandbox.faults.add("telegram", "*", kind, seconds=7)  # type: ignore[arg-type]  # a table of literals
    assert await verb("--receiver=ops", f"--config.file={config}") == 1
    out = capsys.readouterr().out
    assert error in out
    assert remedy in out


async def test_http_config_is_respected(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "global: {", 'global: {http_config: {proxy_url: "http://127.0.0.1:9"}, ')
    assert await verb("--receiver=ops", f"--config.file={config}") == 1
    assert "proxy not reached" in capsys.readouterr().out


async def test_json_has_an_object_for_each_chat_and_no_secret(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(config, "/222/hooktoken", "/222/wrongtoken")
    assert await verb("--receiver=ops", f"--config.file={config}", "-o", "json") == 1
    out = capsys.readouterr().out
    well, ill = json.loads(out)
    assert (well["platform"], well["chat"], well["delivered"], well["error"]) == (
        "telegram",
        str(GROUP),
        True,
        "",
    )
    assert well["message"]["chat"] == str(GROUP)
    assert (ill["platform"], ill["account"], ill["delivered"], ill["message"]) == (
        "discord",
        "222",
        False,
        None,
    )
    assert ill["remedy"]
    assert "sandboxtoken" not in out
    assert "wrongtoken" not in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--receiver=opps"],
            'the receiver "opps" is not in the configuration, did you mean "ops"?',
        ),
        (["--receiver=null-device"], 'the receiver "null-device" has no chats'),
        (["--receiver=ops", "--config.file=none.yml"], "no configuration at none.yml"),
        ([], "required: --receiver"),
    ],
)
async def test_what_cannot_start_ends_with_status_2_and_one_line(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert await verb(f"--config.file={config}", *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


async def test_a_faulty_configuration_or_a_missing_secret_cannot_start(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(config, f'telegram_bot_token: "{TOKEN}"', "telegram_bot_token_file: gone")
    assert await verb("--receiver=ops", f"--config.file={config}") == 2
    assert "secret file gone: no such file" in capsys.readouterr().err
