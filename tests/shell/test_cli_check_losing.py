"""`check-config` approves no file that loses alerts, and says what people's mistakes mean."""

from pathlib import Path

import pytest

from relay.__main__ import main
from relay.cli.environment import ignored_proxy
from tests.shared import need_case

BOT = "global: {telegram_bot_token: '1:a'}\n"
CHAT = "telegram_configs: [{chat_id: -1}]"
HEAD = BOT + "route: {receiver: ops}\n"


def check(folder: Path, text: str, *words: str) -> int:
    (folder / "relay.yml").write_text(text)
    return main(["check-config", str(folder / "relay.yml"), *words])


LOSING = {
    "no chat at all": (
        'route: {receiver: "null"}\nreceivers: [{name: "null"}]\n',
        "relay.yml:2:12: no receiver has a chat: every alert would be lost",
    ),
    "a root receiver without chats": (
        (f"{BOT}route: {{receiver: ops, routes: [{{receiver: a, matchers: [x=y]}}]}}\n"
        f"receivers: [{{name: ops}}, {{name: a, {CHAT}}}]\n"),
        'the receiver "ops" has no chat: alerts that no other route takes are lost',
    ),
    "a notices receiver without chats": (
        BOT.replace("{", "{notices_receiver: n, ")
        + f"route: {{receiver: ops}}\nreceivers: [{{name: ops, {CHAT}}}, {{name: n}}]\n",
        'the receiver "n" has no chat: the relay\'s own notices are lost',
    ),
    "a fallback without chats": (
        f"{HEAD}receivers: [{{name: ops, fallback: f, {CHAT}}}, {{name: f}}]\n",
        'the receiver "f" has no chat',
    ),
    "discard beside chats": (
        f"{HEAD}receivers: [{{name: ops, discard: true, {CHAT}}}]\n",
        'the receiver "ops" has chats: it cannot discard',
    ),
    "a route behind one that takes its value": (
        (f'{BOT}route:\n  receiver: ops\n  routes:\n    - matchers: [severity=~"a|b"]\n'
        f'    - matchers: [severity="a", team="db"]\nreceivers: [{{name: ops, {CHAT}}}]\n'),
        "unreachable: the route at",
    ),
    "a route that contradicts the one above": (
        (f'{BOT}route:\n  receiver: ops\n  routes:\n    - matchers: [team="db"]\n      routes:\n'
        f'        - matchers: [team="web"]\nreceivers: [{{name: ops, {CHAT}}}]\n'),
        'unreachable: no alert matches both team="web" and team="db"',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), LOSING.values(), ids=LOSING)
def test_a_file_that_loses_alerts_is_not_blessed(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, text) == 1
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    "receiver", ["{name: ops, discard: true}", '{name: "null"}', "{name: blackhole}"]
)
def test_a_receiver_says_that_it_discards(
    receiver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = receiver.partition(": ")[2].partition(",")[0].rstrip("}")
    text = (
        f"{BOT}route: {{receiver: {name}, routes: [{{receiver: a, matchers: [x=y]}}]}}\n"
        f"receivers: [{receiver}, {{name: a, {CHAT}}}]\n"
    )
    assert check(tmp_path, text) == 0
    assert "SUCCESS\n" in capsys.readouterr().out


def test_strict_takes_warnings_for_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEAD}receivers: [{{name: ops, {CHAT}}}, {{name: spare, {CHAT}}}]\n"
    assert check(tmp_path, text) == 0
    out = capsys.readouterr().out
    assert "SUCCESS with 1 warning\n" in out
    assert "Found:" in out
    assert check(tmp_path, text, "--strict") == 1
    assert "FAILED: 1 warning\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("web", "status", "says"),
    [
        ("basic_auth_users: {}\n", 0, "SUCCESS\nFound:\n - TLS off\n - 0 users\n"),
        ("basic_auth_usrs: {}\n", 1, 'web.yml:1:1: unknown key "basic_auth_usrs", did you mean'),
        ("bearer_token_files: [none]\n", 1, "none: cannot be read"),
    ],
)
def test_the_web_configuration_is_checked_too(
    web: str, status: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.yml").write_text(web)
    text = f"{HEAD}receivers: [{{name: ops, {CHAT}}}]\n"
    assert check(tmp_path, text, f"--web.config.file={tmp_path / 'web.yml'}") == status
    out = capsys.readouterr().out
    assert says in out
    assert "relay.yml'  SUCCESS" in out


@pytest.mark.medium
@pytest.mark.parametrize(
    ("case", "status", "says"),
    [
        ("cfg-nullrecv", 1, ['cfg-nullrecv.yml:6:17: YAML reads null as no value: write "null"',
                             "cfg-nullrecv.yml:10:11: YAML reads null"]),
        ("cfg-nullrecv2", 1, ["cfg-nullrecv2.yml:6:17: YAML reads null"]),
        ("cfg-eq", 0, ['did you mean alertname=~".*"?', 'did you mean severity=~"critical|warning"',
                       'did you mean namespace=~"kube-.*"?', "single quotes are a part of the"]),
        ("cfg-topic-underscore", 1, [("5:34: write chat_id: -1001234567890 and "
                                     "message_thread_id: 45"), "5:64: write", "5:96: write"]),
        ("cfg-thread1", 0, ["SUCCESS\n"]),
        ("cfg-dhooks", 1, ["10:22: remove /slack", "11:22: remove /github",
                           ('12:22: remove ?thread_id=1234567890123456789 from the end and write '
                           'thread_id: "1234567890123456789"'), "13:22: a webhook URL ends after",
                           "16:22: a webhook URL begins with https://"]),
        ("cfg-tok-bom", 0, ["SUCCESS\n"]),
        ("cfg-proxies", 1, ["3:28: SOCKS proxies are not supported",
                            'unknown key "proxy_from_environment": the environment is not read',
                            'warning: "follow_redirects" has no effect here']),
        ("cfg-crdmatchers", 1, ['6:11: write severity="critical"',
                                '10:17: write severity="critical"', "12:29: bad matcher: write",
                                'warning: the value begins with "="',
                                '16:25: write matchers: [severity=~"critical|warning"]',
                                "18:15: warning: = compares the text"]),
        ("cfg-pasted", 0, ["SUCCESS with 4 warnings"]),
        ("cfg-chan", 1, ["5:34: a channel is named by its number here"]),
    ],
)  # fmt: skip
def test_cases_of_the_field(
    case: str, status: int, says: list[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(need_case(f"{case}.yml").parent)
    assert main(["check-config", f"{case}.yml"]) == status
    out = capsys.readouterr().out
    assert [each for each in says if each not in out] == []


@pytest.mark.medium
@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("'1:abc'", "remove the quotes around it"),
        ("bot1:abc", 'remove "bot" before its digits'),
        ("MTphYmM=", "it is base64, as in a Secret's data: decode it"),
        ("abc", "BotFather's tokens begin with digits and a colon"),
    ],
)
def test_a_token_of_another_form_is_named(
    token: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tok").write_text(f"\ufeff{token}\r\n")
    text = f"{HEAD.replace('telegram_bot_token: ', 'telegram_bot_token_file: ')}"
    text = text.replace("'1:a'", "tok") + f"receivers: [{{name: ops, {CHAT}}}]\n"
    assert check(tmp_path, text) == 1
    assert f"not a bot token: {says}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": ""}, ""),
        ({"https_proxy": "http://p:1"}, "https_proxy is not used: write proxy_url"),
    ],
)
def test_a_proxy_of_the_environment_is_named(environment: dict[str, str], says: str) -> None:
    assert ignored_proxy(environment).startswith(says)
    assert bool(ignored_proxy(environment)) == bool(says)
