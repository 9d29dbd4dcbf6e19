"""`invite`, `subscriptions`, `chats`, `bots`: what is said beside a running relay and without one,
and the status.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.__main__ import main
from relay.app import App, Options
from relay.sandbox.server import Sandbox
from relay.store.data_dir import DataDir
from relay.store.sqlite.store import SqliteStore
from tests.acceptance.processes import until

Output = pytest.CaptureFixture[str]
TOKEN, GROUP, ADA = "111:sandboxtoken", -5, 555


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration at relay.yml in the current folder."""
    monkeypatch.chdir(tmp_path)
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(GROUP, "group", "On call")
    path = tmp_path / "relay.yml"
    path.write_text(f"""\
global:
  telegram_api_url: "{sandbox.url}"
  telegram_bot_token: "{TOKEN}"
  telegram_updates: polling
route: {{receiver: ops}}
receivers: [{{name: ops, telegram_configs: [{{chat_id: {GROUP}}}]}}]
""")
    return path


@pytest.fixture
async def relay(config: Path) -> AsyncIterator[App]:
    app = App(Options(config, config.parent / "data", port=0))
    await app.start()
    yield app
    await app.stop()


@pytest.fixture
def storage(config: Path) -> None:
    """A storage that no relay uses."""
    folder = DataDir(config.parent / "data")
    SqliteStore(folder.database).close()
    folder.release()


def edit(config: Path, before: str, after: str) -> None:
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))


async def verb(*words: str) -> int:
    """A verb as a process of its own would run it, beside the sandbox."""
    return await asyncio.to_thread(main, words)


async def asked(capsys: Output, *words: str) -> object:
    capsys.readouterr()
    assert await verb(*words, "-o", "json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("relay")
async def test_from_an_invitation_to_a_subscription_that_is_removed(
    sandbox: Sandbox, capsys: Output
) -> None:
    made = await asked(
        capsys, "invite", "create", '--matchers=team="db"', "--name=DBA on call", "--expires=2h"
    )
    assert isinstance(made, dict)
    link, group = urlsplit(made["link"]), urlsplit(made["group_link"])
    assert (link.netloc, link.path, group.path) == ("t.me", "/relay_bot", "/relay_bot")
    (token,) = parse_qs(link.query)["start"]
    assert parse_qs(group.query)["startgroup"] == [token]
    assert len(token) == 32

    listed = await asked(capsys, "invite", "list")
    assert token not in json.dumps(listed)
    assert await verb("invite", "list") == 0
    assert capsys.readouterr().out == (
        "ID         NAME          MATCHERS    USED     STATE\n"
        f'{made["id"]}   DBA on call   team="db"   0 of 1   2h left\n'
    )

    sandbox.telegram.says(ADA, ADA, f"/start {token}")
    await until(
        "Ada is welcomed",
        lambda: ADA in sandbox.telegram.chats and bool(sandbox.telegram.messages(ADA)),
    )
    (subscription,) = (await asked(capsys, "subscriptions", "list"))["subscriptions"]  # type: ignore[index] # JSON
    assert (subscription["who"], subscription["name"]) == ("Person 555", "DBA on call")
    assert await verb("subscriptions", "list") == 0
    row = re.split(" {3,}", capsys.readouterr().out.splitlines()[1])
    assert row == [
        subscription["id"],
        "Person 555",
        "555",
        "DBA on call",
        'team="db"',
        "0s",
        "in force",
    ]
    assert await verb("invite", "list") == 0
    assert "1 of 1   used up" in capsys.readouterr().out

    assert await verb("subscriptions", "remove", subscription["id"], "nobody") == 1
    out, err = capsys.readouterr()
    assert (out, err) == (
        f"{subscription['id']} ended\n",
        "alert-relay: there is no subscription nobody: see `subscriptions list`\n",
    )
    assert await verb("subscriptions", "list") == 0
    assert capsys.readouterr().out == "no subscriptions\n"


async def test_what_is_removed_is_out_of_force_at_once(
    sandbox: Sandbox, relay: App, capsys: Output
) -> None:
    made = await asked(capsys, "invite", "create", "--name=All")
    assert isinstance(made, dict)
    sandbox.telegram.says(ADA, ADA, f"/start {made['link'].partition('start=')[2]}")
    await until("it is in force", lambda: len(relay.config.current.routing.subscriptions) == 1)
    (subscription,) = (await asked(capsys, "subscriptions", "list"))["subscriptions"]  # type: ignore[index] # JSON
    assert await verb("subscriptions", "remove", subscription["id"]) == 0
    assert relay.config.current.routing.subscriptions == ()


@pytest.mark.usefixtures("relay")
async def test_a_revoked_link_opens_nothing(sandbox: Sandbox, capsys: Output) -> None:
    made = await asked(capsys, "invite", "create", "--name=All", "--uses=5")
    assert isinstance(made, dict)
    assert await verb("invite", "revoke", made["id"]) == 0
    assert await verb("invite", "revoke", made["id"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == (
        f"{made['id']} revoked\n",
        f"alert-relay: there is no invitation {made['id']}: see `invite list`\n",
    )
    sandbox.telegram.says(ADA, ADA, f"/start {made['link'].partition('start=')[2]}")
    await until(
        "Ada is refused",
        lambda: ADA in sandbox.telegram.chats and bool(sandbox.telegram.messages(ADA)),
    )
    assert sandbox.telegram.transcript(ADA).startswith("This link does not work")


@pytest.mark.usefixtures("relay")
async def test_chats_shows_where_the_bots_are(sandbox: Sandbox, capsys: Output) -> None:
    sandbox.telegram.add_chat(-1000000000009, "supergroup", "Forum", {7: "db"})
    sandbox.telegram.add_chat(-1000000000008, "channel", "News")
    sandbox.telegram.adds_bot(GROUP, "administrator")
    sandbox.telegram.adds_bot(-1000000000008, "administrator")
    sandbox.telegram.says(-1000000000009, ADA, "/help", topic=7)

    async def known() -> bool:
        found = await asked(capsys, "chats")
        return isinstance(found, dict) and len(found["chats"]) == 3

    await until("all are known", known)
    assert await verb("chats") == 0
    assert [re.split(" {3,}", line)[1:-1] for line in capsys.readouterr().out.splitlines()] == [
        ["CHAT", "TYPE", "TITLE", "STANDING", "TOPICS"],
        ["-1000000000008", "channel", "News", "administrator, may not write"],
        ["-1000000000009", "supergroup", "Forum", "member", "7 db"],
        ["-5", "group", "On call", "administrator"],
    ]


@pytest.mark.usefixtures("storage")
async def test_without_a_relay_the_verbs_open_the_storage(capsys: Output) -> None:
    assert await verb("chats") == 0
    assert await verb("subscriptions", "list") == 0
    assert await verb("invite", "list") == 0
    assert capsys.readouterr().out == (
        "no chats yet: add the bot to a group and write /start there\nno subscriptions\nno "
        "invitations\n"
    )
    assert await verb("invite", "create", "--name=All alerts", "--uses=3", "--expires=1h") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("All alerts: all alerts, for 3 people or groups, until ")
    assert [line.partition("=")[0] for line in said[1:]] == [
        "for a person: https://t.me/relay_bot?start",
        "for a group:  https://t.me/relay_bot?startgroup",
    ]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["create", "--name=x", "--matchers=nonsense"], "alert-relay invite: "),
        (
            ["create", "--name=x", "--bot=112"],
            "alert-relay invite: the configuration has only the bots 111",
        ),
        (["create", "--name=x", "--expires=soon"], "bad duration"),
        (["create", "--name=x", "--expires=0"], "is not above zero"),
        (["create", "--name=x", "--uses=0"], "'0' is not a number of people"),
        (["create"], "the following arguments are required: --name"),
        (["create", "--name=x"], "alert-relay: no storage at data"),
        (["list"], "alert-relay: no storage at data"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], complaint: str, capsys: Output
) -> None:
    assert await verb("invite", *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("updates", "token", "complaint"),
    [
        ("none", TOKEN, "this bot receives no updates"),
        ("polling", "111:wrongtoken", "Unauthorized; copy the bot's token"),
    ],
)
async def test_a_bot_that_cannot_hear_invites_nobody(
    config: Path, updates: str, token: str, complaint: str, capsys: Output
) -> None:
    edit(config, "polling", updates)
    edit(config, TOKEN, token)
    assert await verb("invite", "create", "--name=x") == 2
    out, err = capsys.readouterr()
    assert (out, complaint in err, "wrongtoken" in err) == ("", True, False)


async def test_bots_tells_how_each_listens(sandbox: Sandbox, config: Path, capsys: Output) -> None:
    sandbox.telegram.says(GROUP, ADA, "/help")
    assert await verb("bots") == 0
    assert capsys.readouterr().out == (
        "BOT   NAME         MODE      PENDING   LAST ERROR\n111   @relay_bot   polling   1       "
        "  -\n"
    )
    sandbox.telegram.bots[TOKEN].updates.webhook = "https://other.example.org/hook"
    sandbox.telegram.bots[TOKEN].updates.error = "Wrong response from the webhook: 503"
    assert await verb("bots") == 1
    said = capsys.readouterr().out.splitlines()
    assert "Wrong response from the webhook: 503 (" in said[1]
    assert said[2] == (
        "111: a webhook takes its updates (https://other.example.org/hook): alert-relay setup "
        "telegram --delete-webhook"
    )
    edit(config, TOKEN, "111:wrongtoken")
    found = await asked_failing(capsys)
    assert (found["error"], found["username"]) == ("Unauthorized", "")


async def asked_failing(capsys: Output) -> dict[str, object]:
    assert await verb("bots", "-o", "json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found
