"""`setup telegram|discord`: from a token or webhook to a configuration that works, with and without
a terminal.
"""

import asyncio
import stat
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.sandbox.server import Sandbox
from relay.settings.load import load

Output = pytest.CaptureFixture[str]
TOKEN, GROUP, FORUM = "111:sandboxtoken", -5, -1000000000009
HOOK, CHANNEL = 222, 333


@pytest.fixture(autouse=True)
def folder(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, beside a bot, two groups and a webhook."""
    monkeypatch.chdir(tmp_path)
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(GROUP, "group", "On call")
    sandbox.telegram.add_chat(FORUM, "supergroup", "Forum", {7: "db"})
    sandbox.discord.add_channel(CHANNEL, "alerts")
    sandbox.discord.add_webhook(HOOK, "hooktoken", CHANNEL)
    (tmp_path / "bot.token").write_text(TOKEN + "\n")
    (tmp_path / "hook.url").write_text(f"{sandbox.url}/api/webhooks/{HOOK}/hooktoken\n")
    return tmp_path


async def setup(*words: str) -> int:
    """The verb as a process of its own would run it, beside the sandbox."""
    return await asyncio.to_thread(main, ["setup", *words])


async def telegram(sandbox: Sandbox, *words: str, token: str = "--bot-token-file=bot.token") -> int:
    return await setup(
        "telegram", f"--telegram.api-url={sandbox.url}", *((token,) if token else ()), *words
    )


def files() -> dict[str, str]:
    """What the folder holds, hidden files too."""
    return {path.name: path.read_text() for path in Path().iterdir()}


def write(name: str, text: str, mode: int = 0o600) -> None:
    Path(name).write_text(text)
    Path(name).chmod(mode)


def mode(name: str) -> int:
    return stat.S_IMODE(Path(name).stat().st_mode)


def chats(name: str) -> list[tuple[str, str, str]]:
    rules, faults = load(Path("relay.yml"), "serve")
    assert rules is not None, faults
    return [
        (target.lane.account, target.lane.chat, target.lane.thread)
        for target in rules.routing.targets[name]
    ]


async def test_chats_that_are_named_become_a_receiver_and_get_a_test(
    sandbox: Sandbox, capsys: Output
) -> None:
    assert await telegram(sandbox, f"--chat={GROUP}", f"--chat={FORUM}/7", "--receiver=dba") == 0
    out = capsys.readouterr().out
    assert chats("dba") == [("111", "-5", ""), ("111", str(FORUM), "7")]
    assert [len(sandbox.telegram.messages(chat)) for chat in (GROUP, FORUM)] == [1, 1]
    assert "bot @relay_bot (relay_bot), id 111" in out
    assert "- url: http://127.0.0.1:9087/alerts" in out
    assert out.count("delivered ") == 2
    assert TOKEN not in out + files()["relay.yml"]
    assert set(files()) == {"bot.token", "hook.url", "relay.yml"}


async def test_chats_appear_as_people_write_there(sandbox: Sandbox, capsys: Output) -> None:
    sandbox.telegram.adds_bot(GROUP, "restricted", is_member=True)
    sandbox.telegram.says(FORUM, 9, "/start@relay_bot", topic=7)
    sandbox.telegram.add_chat(-6, "group", "Left")
    sandbox.telegram.kick(-6)
    assert await telegram(sandbox, "--no-test") == 0
    out = capsys.readouterr().out
    assert (
        f"  1. group · -5 · On call · restricted, may not write\n  2. supergroup · {FORUM} · "
        "topic 7 db · Forum\n" in out
    )
    assert chats("telegram") == [("111", "-5", ""), ("111", str(FORUM), "7")]
    assert len(sandbox.telegram.bots[TOKEN].updates.queue) == 3  # what waits is for the relay


async def test_at_a_terminal_the_token_is_hidden_and_chats_are_chosen(
    sandbox: Sandbox, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.telegram.says(GROUP, 9, "/start")
    sandbox.telegram.says(FORUM, 9, "/start")
    terminal = StringIO("nine\n9\n2\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    asked: list[str] = []

    def token(prompt: str) -> str:
        asked.append(prompt)
        return f" {TOKEN} "

    monkeypatch.setattr("getpass.getpass", token)
    monkeypatch.setattr("select.select", lambda *_: ([terminal], [], []))
    assert await telegram(sandbox, "--no-test", token="") == 0
    assert chats("telegram") == [("111", str(FORUM), "")]
    assert asked == ["The bot's token (it is not shown): "]
    assert "write numbers from 1 to 2" in capsys.readouterr().out
    assert mode("telegram.token") == 0o600


async def test_a_file_that_is_there_keeps_its_comments_and_its_mode(
    sandbox: Sandbox, capsys: Output
) -> None:
    before = f"""\
# ours
global:
  telegram_bot_token_file: bot.token  # the bot
  telegram_api_url: {sandbox.url}
route:
  receiver: ops   # all
receivers:
  # the first
  - name: ops
    telegram_configs:
      - chat_id: {GROUP}

# the end
"""
    write("relay.yml", before, 0o640)
    assert await telegram(sandbox, f"--chat={FORUM}", "--receiver=dba", "--no-test") == 0
    after = files()["relay.yml"]
    added = f"  - name: dba\n    telegram_configs:\n      - chat_id: {FORUM}\n"
    assert after == before.replace(
        f"      - chat_id: {GROUP}\n", f"      - chat_id: {GROUP}\n{added}"
    )
    assert mode("relay.yml") == 0o640
    assert "add a route to it: -  {matchers: [...], receiver: dba}" in capsys.readouterr().out
    assert await telegram(sandbox, f"--chat={FORUM}", "--receiver=dba") == 2
    assert "a receiver dba exists already" in capsys.readouterr().err


async def test_another_bot_stands_in_its_own_entries(sandbox: Sandbox) -> None:
    sandbox.telegram.add_bot("112:othertoken", "other_bot")
    write("other.token", "112:othertoken")
    assert await telegram(sandbox, f"--chat={GROUP}", "--no-test") == 0
    other = "--bot-token-file=other.token"
    assert await telegram(sandbox, f"--chat={GROUP}", "--receiver=b", "--no-test", token=other) == 0
    assert (chats("telegram"), chats("b")) == ([("111", "-5", "")], [("112", "-5", "")])


async def test_a_webhook_in_the_way_is_deleted_only_when_that_is_said(
    sandbox: Sandbox, capsys: Output
) -> None:
    updates = sandbox.telegram.bots[TOKEN].updates
    updates.webhook = "https://other.example.org/hook"
    assert await telegram(sandbox, "--no-test") == 1
    assert "delete it with --delete-webhook" in capsys.readouterr().err
    assert updates.webhook
    sandbox.telegram.says(GROUP, 9, "/start")
    assert await telegram(sandbox, "--no-test", "--delete-webhook") == 0
    assert updates.webhook == ""


async def test_what_a_chat_answers_is_explained_by_its_remedy(
    sandbox: Sandbox, capsys: Output
) -> None:
    sandbox.telegram.chats[GROUP].refusal = "bot was kicked from the group chat"
    assert await telegram(sandbox, f"--chat={GROUP}") == 1
    out = capsys.readouterr().out
    assert "bot was kicked" in out
    assert "remedy: add the bot to the chat" in out


@pytest.mark.medium
@pytest.mark.parametrize(
    ("words", "prepare", "status", "complaint"),
    [
        (["--chat=5x"], None, 2, "is not a chat id"),
        (["--wait=1s"], None, 1, "no chat was chosen: name one with --chat=ID"),
        (["--chat=-5"], lambda: Path("bot.token").write_text("token"), 2, "not a bot token"),
        (
            ["--chat=-5"],
            lambda: Path("bot.token").write_text("111:wrong"),
            1,
            "Unauthorized; copy the bot's token",
        ),
        (["--chat=-5"], lambda: Path("bot.token").unlink(), 2, "No such file"),
        (
            ["--chat=-5"],
            lambda: Path("relay.yml").write_text("receivers: [{name: a}]"),
            2,
            "write it in block style",
        ),
        (
            ["--chat=-5"],
            lambda: Path("relay.yml").write_text("a: 1\nreceivers:\n- name: a\n"),
            1,
            "unknown key",
        ),
    ],
)
async def test_what_cannot_be_done_leaves_everything_as_it_was(
    sandbox: Sandbox,
    words: list[str],
    prepare: Callable[[], object] | None,
    status: int,
    complaint: str,
    capsys: Output,
) -> None:
    if prepare:
        prepare()
    before = files()
    assert await telegram(sandbox, *words) == status
    assert complaint in capsys.readouterr().err
    assert files() == before


async def test_faults_of_the_old_configuration_are_headed_by_what_they_mean_for_the_new_one(
    sandbox: Sandbox, capsys: Output
) -> None:
    old = (
        "route: {receiver: a}\nreceivers:\n- name: a\n  discord_configs: [{webhook_url_file: "
        "gone}]\n"
    )
    write("relay.yml", old)
    assert await telegram(sandbox, "--chat=-5") == 1
    headline, fault, *_ = capsys.readouterr().err.splitlines()
    assert headline == (
        "alert-relay setup: nothing was written: relay.yml would be rejected with these faults:"
    )
    assert fault.endswith("secret file gone: no such file")
    assert files()["relay.yml"] == old


async def test_without_a_terminal_the_token_comes_from_a_file(
    sandbox: Sandbox, capsys: Output
) -> None:
    assert await telegram(sandbox, "--chat=-5", token="") == 2
    assert "without a terminal, name the file that holds the secret" in capsys.readouterr().err


async def test_a_discord_webhook_is_shown_and_becomes_a_receiver(
    sandbox: Sandbox, capsys: Output
) -> None:
    assert await setup("discord", "--webhook-url-file=hook.url", "--receiver=web") == 0
    out = capsys.readouterr().out
    assert f"webhook {HOOK} (" in out
    assert f"posts to channel {CHANNEL}" in out
    assert len(sandbox.discord.channels[CHANNEL].messages) == 1
    assert "hooktoken" not in out + files()["relay.yml"]
    rules, _ = load(Path("relay.yml"), "serve")
    assert rules is not None
    assert [target.lane.account for target in rules.routing.targets["web"]] == [str(HOOK)]


@pytest.mark.parametrize(
    ("url", "status", "complaint"),
    [
        ("https://example.org", 2, "expected a webhook URL"),
        ("{url}/api/webhooks/999/unknown", 1, "Discord answers 404: copy the URL"),
        ("http://127.0.0.1:9/api/webhooks/999/unknown", 1, "connection refused"),
    ],
)
async def test_a_webhook_that_is_none_is_not_written(
    sandbox: Sandbox, url: str, status: int, complaint: str, capsys: Output
) -> None:
    write("hook.url", url.format(url=sandbox.url))
    assert await setup("discord", "--webhook-url-file=hook.url") == status
    err = capsys.readouterr().err
    assert complaint in err
    assert "unknown" not in err
    assert "relay.yml" not in files()
