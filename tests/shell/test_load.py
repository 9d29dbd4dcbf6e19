"""Configurations read from disk: each file in tests/config has its fault as its name and its faults
beside it.
"""

import json
import os
from pathlib import Path

import pytest

from relay.config.destination import Mode
from relay.config.fault import render as render_fault
from relay.core.routing.lane import Policy
from relay.core.template.sample import VIEWS
from relay.core.template.template import BUILT_IN, render
from relay.platforms.telegram import FORM
from relay.settings.load import load

NO_TEMPLATE = "no template may show it"
FOLDER = Path(__file__).parent.parent / "config"
FAULTS = sorted(FOLDER.glob("*.yml"))
# Doubtful only: the relay runs with them.
WARNINGS = {
    "chat-id-without-minus",
    "chat-twice",
    "fallback-to-the-same-chat",
    "literal-markup",
    "missing-secret-file",
    "pasted-grouping",
    "silences-without-alertmanagers",
    "typographic-quotes",
    "unused-receiver",
}
SECRETS = """\
global: {telegram_bot_token_file: bot}
route: {receiver: ops}
receivers:
  - name: ops
    telegram_configs: [{chat_id_file: chat}]
    discord_configs: [{webhook_url_file: hook}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "relay.yml").write_text(SECRETS)
    (tmp_path / "bot").write_text("1000001:canary\n")
    (tmp_path / "chat").write_text("-1001\n")
    (tmp_path / "hook").write_text(" https://discord.com/api/webhooks/7/canary \n")
    return tmp_path


@pytest.mark.medium
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_each_faulty_file_says_what_is_wrong_where(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    rules, faults = load(Path(path.name), "check")
    assert "\n".join(map(render_fault, faults)) + "\n" == path.with_suffix(".txt").read_text()
    assert (rules is not None) == (path.stem in WARNINGS)


def test_no_secret_of_any_faulty_file_is_shown() -> None:
    shown = [path.name for path in FOLDER.glob("*.txt") if "canary" in path.read_text()]
    assert any("canary" in path.read_text(errors="replace") for path in FAULTS)
    assert not shown


def test_secret_files_are_read_beside_the_configuration(folder: Path) -> None:
    rules, faults = load(folder / "relay.yml", "serve")
    assert not faults
    assert rules
    telegram, discord = rules.routing.targets["ops"]
    assert (telegram.lane.account, telegram.lane.chat) == ("1000001", "-1001")
    assert telegram.endpoint.secret.reveal() == "1000001:canary"
    assert discord.endpoint.secret.reveal() == "https://discord.com/api/webhooks/7/canary"
    assert "canary" not in repr(rules)


@pytest.mark.parametrize("name", ["bot", "chat", "hook"])
def test_a_missing_secret_file_is_a_warning_to_check_and_a_fault_to_serve(
    folder: Path, name: str
) -> None:
    (folder / name).unlink()
    for mode, severity in (("check", "warning"), ("serve", "fault")):
        rules, (fault,) = load(folder / "relay.yml", mode)  # type: ignore[arg-type] # the two words of Mode
        assert fault.severity == severity
        assert fault.message == f"secret file {name}: no such file"
        assert (rules is None) == (severity == "fault")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bot", b"canary", "not a bot token"),
        ("bot", b"\xff", "secret file bot: not UTF-8"),
        ("bot", b"x" * 70_000, "secret file bot: larger than 64 KiB"),
        ("chat", b"general", "this file holds no chat id"),
        ("chat", b"0", "this file holds no chat id"),
        ("hook", b"https://example.org/canary", "expected a webhook URL"),
    ],
)
def test_what_a_secret_file_holds_is_judged_without_being_shown(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    rules, (fault,) = load(folder / "relay.yml", "serve")
    assert rules is None
    assert message in fault.message
    assert "canary" not in render_fault(fault)
    assert fault.line in (1, 5, 6)


def test_a_configuration_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert (
        load(tmp_path / "no.yml", "check")[1][0].message
        == "cannot read the configuration: no such file"
    )
    assert load(tmp_path, "check")[1][0].message == "cannot read the configuration: Is a directory"


def test_two_templates_of_one_name_are_a_fault(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.j2").write_text("{{ status }}")
    (tmp_path / "relay.yml").write_text(
        'templates: ["a/*.j2", "b/*.j2"]\nroute: {receiver: x}\nreceivers: [{name: x}]'
    )
    _, (fault,) = load(tmp_path / "relay.yml", "check")
    assert fault.message == "b/*.j2: two templates have the name card.j2"


@pytest.mark.medium
@pytest.mark.parametrize("mode", ["serve", "check"])
def test_a_template_with_the_name_of_a_built_in_one_takes_its_place(
    folder: Path, mode: Mode
) -> None:
    (folder / "telegram.html.j2").write_text("{% block card %}own: {{ status }}{% endblock %}")
    (folder / "short.j2").write_text("{% block reply %}short{% endblock %}")
    (folder / "relay.yml").write_text('templates: ["*.j2"]\n' + SECRETS)
    rules, faults = load(folder / "relay.yml", mode)
    assert rules is not None, faults
    for name in ("telegram.html.j2", "short.j2"):
        policy = Policy("ops", name, "html")
        card = render(rules.active.templates, policy, VIEWS["one"], "card", None, FORM)
        assert (card.failed, card.message.body.text) == ("", "own: firing")
    policy = Policy("ops", "telegram.html.j2", "html")
    reply = render(rules.active.templates, policy, VIEWS["one"], "reply", "repeated", FORM)
    assert reply.message.body.text.startswith("🔁 ")


def test_what_is_wrong_with_a_template_in_the_place_of_a_built_in_one_is_found(
    folder: Path,
) -> None:
    (folder / "telegram.html.j2").write_text("<b>{{ status }}")
    (folder / "relay.yml").write_text('templates: ["*.j2"]\n' + SECRETS)
    rules, (fault,) = load(folder / "relay.yml", "serve")
    assert rules is None
    assert (Path(fault.file).parent, fault.line) == (folder, 1)


@pytest.mark.medium
def test_a_whole_template_in_the_place_of_discords_is_the_card_with_its_first_line_as_content(
    folder: Path,
) -> None:
    (folder / "other.j2").write_text("{% block reply %}short{% endblock %}")
    (folder / "discord.md.j2").write_text("first {{ name }}\nsecond")
    (folder / "relay.yml").write_text('templates: ["*.j2"]\n' + SECRETS)
    rules, _ = load(folder / "relay.yml", "serve")
    assert rules is not None
    policy = Policy("ops", "discord.md.j2", "discord")
    card = render(rules.active.templates, policy, VIEWS["one"], "card", None, FORM).message
    assert (card.content.text, card.body.text) == ("", "first HighErrorRate\nsecond")
    policy = Policy("ops", "other.j2", "discord")
    other = render(rules.active.templates, policy, VIEWS["one"], "card", None, FORM).message
    assert (other.content.text, other.body) == ("", card.body)


def test_to_serve_only_the_templates_in_use_are_compiled_and_to_check_all_are(folder: Path) -> None:
    path = folder / "relay.yml"
    compiled: dict[Mode, set[str]] = {}
    modes: tuple[Mode, ...] = ("serve", "check")
    for mode in modes:
        rules, _ = load(path, mode)
        assert rules
        compiled[mode] = set(rules.active.templates.by_name)
    assert compiled["serve"] == {"telegram.html.j2", "discord.md.j2"}
    assert compiled["check"] == set(BUILT_IN)


def test_a_template_of_ones_own_that_nobody_uses_is_tried_before_serving(folder: Path) -> None:
    path = folder / "relay.yml"
    path.write_text(f"templates: ['*.j2']\n{SECRETS}")
    (folder / "own.j2").write_text("{{ nope }}")
    rules, faults = load(path, "serve")
    assert rules is None
    assert [Path(fault.file).name for fault in faults] == ["own.j2"]


def with_templates(folder: Path, *patterns: str) -> str:
    """What is wrong when the configuration names these templates."""
    (folder / "relay.yml").write_text(f"templates: {json.dumps(patterns)}\n{SECRETS}")
    rules, faults = load(folder / "relay.yml", "serve")
    assert (rules is None) == bool(faults)
    assert all(fault.line == 1 for fault in faults)
    return "\n".join(fault.message for fault in faults)


def test_no_template_shows_a_secret_or_any_other_file(folder: Path) -> None:
    """Whoever writes the configuration reads what a template says, in a chat."""
    (folder / "to.j2").symlink_to("bot")
    assert with_templates(folder, "to.j2") == "to.j2: to.j2 is a secret file too: " + NO_TEMPLATE
    assert with_templates(folder, "bot") == "bot: bot is a secret file too: " + NO_TEMPLATE
    (folder / "hard.j2").hardlink_to(folder / "hook")
    assert "hard.j2 is a secret file too" in with_templates(folder, "*.j2", "hard.j2")
    (folder / "to.j2").unlink()
    (folder / "hard.j2").unlink()
    (folder / "shadow").write_text("root:canary")
    assert "shadow has a name that does not end in .j2" in with_templates(folder, "shadow")
    (folder / "chat.tmpl").write_text("{{ .Status }}")
    advice = "and Go's templates are not read: alert-relay import translates them"
    assert advice in with_templates(folder, "chat.tmpl")
    (folder / "to.j2").symlink_to("shadow")
    linked = "to.j2 is a link to a file whose name does not end in .j2"
    assert linked in with_templates(folder, "*.j2")
    (folder / "to.j2").unlink()
    (folder / "to.j2").symlink_to("nowhere")
    assert "to.j2 cannot be read: no such file" in with_templates(folder, "*.j2")


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_regular_file_is_no_template(folder: Path, kind: str) -> None:
    os.mkfifo(folder / "own.j2") if kind == "pipe" else (folder / "own.j2").mkdir()
    assert with_templates(folder, "*.j2") == "*.j2: own.j2 is not a regular file"


def test_a_template_whose_name_is_not_utf_8_is_a_fault(folder: Path) -> None:
    """Faults, metrics and logs name templates: it was an error of the relay."""
    Path(os.fsdecode(bytes(folder) + b"/\xff.j2")).write_text("{{ status }}")
    assert with_templates(folder, "*.j2").endswith(" has a name that is not UTF-8")


def test_templates_of_a_config_map_are_read_through_its_links(folder: Path) -> None:
    (folder / "..2026").mkdir()
    (folder / "..2026" / "own.j2").write_text("{{ status }}")
    (folder / "..data").symlink_to("..2026")
    (folder / "own.j2").symlink_to("..data/own.j2")
    assert with_templates(folder, "*.j2") == ""


@pytest.mark.parametrize("name", ["bot", "chat", "hook", "relay.yml"])
def test_a_pipe_in_place_of_a_file_is_a_fault_and_nothing_waits_for_it(
    folder: Path, name: str
) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    rules, faults = load(folder / "relay.yml", "serve")
    assert rules is None
    assert all("not a regular file" in fault.message for fault in faults)
