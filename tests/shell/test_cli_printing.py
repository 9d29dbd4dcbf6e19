"""Whatever a verb prints, no character of it steers the terminal."""

import ast
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relay.cli
from relay.__main__ import VERBS, main
from relay.cli.printing import shown, shown_json
from relay.core.alert import GroupId
from relay.store.data_dir import DataDir
from relay.store.sqlite.store import SqliteStore
from tests.build import TELEGRAM, alert, notification
from tests.store.test_store import new_payload

EVIL = "\x1b[2J\x1b]0;x\x07\x9b31m\u202e\u2066\u061c\u200f\u2028\x85"
BIDI = "\u202e\u2066\u061c\x9b"  # what YAML lets through, in places where anything may stand
CONFIG = f"""\
global: {{telegram_api_url: "http://127.0.0.1:9", telegram_bot_token: "1000001:sandbox-bot"}}
route:
  receiver: ops
  routes:
    - matchers: ['team="{BIDI}"']
      receiver: ops
receivers:
  - name: ops
    telegram_configs: [{{chat_id: -1001}}]
  - name: "r{BIDI.replace(chr(0x9B), "")}"
"""
CHARACTERS = st.text(st.characters(codec=None, categories=["Cc", "Cf", "Cs", "L", "Zl", "Zp"]))

# Each verb with what it is asked here, which says something of the files and of the storage.
ASKED: dict[str, Sequence[Sequence[str]]] = {
    "demo": [["--nope"]],  # what it draws goes through the cells of `template render`
    "serve": [["--config.file=evil.yml"], ["--config.file=nowhere\x1b[2J\u202e.yml"]],
    "check-config": [["evil.yml"], ["broken.yml"], ["nowhere\x1b[2J\u202e.yml"]],
    "routes": [
        ["show", "--config.file=evil.yml"],
        ["show", "-o", "json", "--config.file=evil.yml"],
        ["test", "--config.file=evil.yml", f"team={BIDI}"],
        ["test", "-o", "json", "--config.file=evil.yml", f"team={BIDI}"],
    ],
    "send-test": [["--config.file=evil.yml", "--receiver=\x1b[2J"]],
    "template": [
        ["render", "--config.file=evil.yml", "--receiver=ops", "--payload=evil.json"],
        ["render", "--config.file=evil.yml", "--receiver=ops", "--payload=evil.json", "-o", "json"],
    ],
    "queue": [
        ["list"],
        ["list", "-o", "json"],
        ["show", "1/1"],
        ["show", "1/1", "-o", "json"],
        ["show", "\x1b[2J\u202e"],
        ["drop", "9/9\x9b"],
    ],
    "history": [
        [],
        ["-o", "json"],
        ["show", "1"],
        ["show", "1", "-o", "json"],
        ["show", "\x1b[2J\u202e"],
        ["team=\x1b[2J\u202e"],
    ],
    "status": [[], ["-o", "json"]],
    "cards": [["list"], ["list", "-o", "json"], ["close", "9"]],
    "backup": [["evil.yml"], ["nowhere\x1b[2J\u202e/copy.db"]],
    "storage": [
        ["copy", "evil\x1b[2J\u202e", "nowhere\x1b[2J\u202e"],
        ["copy", "data", "evil.yml"],
    ],
    "import": [["evil.yml"], ["broken.yml"], ["nowhere\x1b[2J\u202e.yml"]],
    "setup": [["\x1b[2J\u202e"]],
    "invite": [["list"], ["list", "-o", "json"], ["create", "--nope=\x1b[2J\u202e"]],
    "subscriptions": [["list"], ["list", "-o", "json"], ["remove", "\x1b[2J\u202e"]],
    "chats": [["--config.file=evil.yml"], ["-o", "json", "--config.file=evil.yml"]],
    "bots": [["--config.file=evil.yml"], ["-o", "json", "--config.file=evil.yml"]],
    "config": [["schema"]],
}


DIRECTS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u061c\u200e\u200f"


def steering(text: str) -> str:
    """The characters of the text that a terminal would obey, by Unicode's own tables."""
    return "".join(
        char
        for char in text
        if (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char not in "\t\n")
        or unicodedata.bidirectional(char) in DIRECTS
        or char in MARKS
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration and a storage that mean no good to the terminal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.yml").write_text(CONFIG)
    (tmp_path / "broken.yml").write_text(f"route: {{receiver: ops}}  # {EVIL}\n{EVIL}: [\n")
    labels = {"alertname": EVIL, "severity": EVIL}
    posted = {"alerts": [{"status": "firing", "labels": labels, "annotations": {"summary": EVIL}}]}
    (tmp_path / "evil.json").write_text(json.dumps(posted))
    held = DataDir(Path("data"))
    store = SqliteStore(held.database)
    evil = notification(alert(EVIL, name=EVIL), group=GroupId("", EVIL, EVIL))
    store.batch([lambda: store.accept([new_payload(TELEGRAM, posted=evil, receiver=EVIL)])])
    store.close()
    held.release()


def test_every_verb_is_asked_something() -> None:
    assert ASKED.keys() == {name for name, _, _ in VERBS}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("verb", ASKED)
def test_no_verb_shows_a_terminal_anything_that_it_obeys(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ASKED[verb]:
        main([verb, *words])
        out, err = capsys.readouterr()
        assert out + err
        assert steering(out + err) == "", words
        if "json" in words and out:
            json.loads(out)


def test_no_verb_writes_past_the_filter() -> None:
    """`say`, `say_json`, `say_drawn` and `complain` are the only ways out."""
    for path in Path(relay.cli.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)]
        writes = [call for call in calls if re.fullmatch(r"print|sys\.std(out|err)\.write", call)]
        assert not writes or path.name == "base.py", (path.name, writes)


@given(CHARACTERS)
def test_json_keeps_its_meaning(text: str) -> None:
    told = json.dumps({"a": text}, ensure_ascii=False)
    printed = shown_json(told)
    assert json.loads(printed) == {"a": text}
    assert steering(printed) == ""


@given(CHARACTERS)
def test_of_a_text_only_what_is_read_reaches_the_terminal(text: str) -> None:
    assert steering(shown(text)) == ""
    assert shown(text) == text or steering(text)


@given(CHARACTERS)
def test_of_a_drawing_only_colors_reach_the_terminal(text: str) -> None:
    drawn = shown(f"\x1b[31m{text}\x1b[0m", styled=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
