"""The verbs that look at a configuration: what they print, and their exit statuses."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from relay.__main__ import VERBS, main
from relay.cli.config import schema_text

ROOT = Path(__file__).parent.parent.parent
SHIPPED = sorted([ROOT / "config/relay.yml", *(ROOT / "config/examples").glob("*.yml")])
GOOD = """\
route:
  receiver: ops
  routes:
    - matchers: [team="db"]
      receiver: dba
      continue: true
    - matchers: [severity=~"critical|page"]
      receiver: pager
receivers:
  - {name: ops, telegram_configs: [{chat_id: -1, bot_token: "1:a"}]}
  - {name: dba, telegram_configs: [{chat_id: -2, bot_token: "1:a"}]}
  - {name: pager, discard: true}
tests:
  - {name: databases, labels: {team: db}, receivers: [dba]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "relay.yml"
    path.write_text(GOOD)
    return path


def test_check_config_says_what_it_found(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", file.name]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "Checking 'relay.yml'  SUCCESS\nFound:\n - 3 routes\n - 3 receivers\n - 2 chats\n"
    )
    assert " - 1 test passed\n" in out


def test_check_config_shows_every_fault_and_fails(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        GOOD.replace("receiver: dba", "receiver: dab").replace("continue: true", "contineu: true")
    )
    assert main(["check-config"]) == 1
    assert capsys.readouterr().out == (
        "Checking 'relay.yml'  FAILED: 2 faults\n"
        'relay.yml:5:17: unknown receiver "dab", did you mean "dba"?\n'
        "          receiver: dab\n"
        "                    ^\n"
        'relay.yml:6:7: unknown key "contineu", did you mean "continue"?\n'
        "          contineu: true\n"
        "          ^\n\n"
    )


def test_check_config_goes_through_all_files(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", "none.yml", file.name]) == 1
    out = capsys.readouterr().out
    assert "none.yml:1:1: cannot read the configuration: no such file" in out
    assert "Checking 'relay.yml'  SUCCESS" in out


@pytest.mark.medium
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_passes_with_missing_secrets_as_its_only_warnings(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(path)]) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning:" in line]
    assert all("secret file /run/secrets/" in line for line in warnings)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_passes_the_schema_that_its_first_line_names(path: Path) -> None:
    first, _, text = path.read_text().partition("\n")
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    schema = json.loads((path.parent / first.removeprefix(prefix)).read_text())
    jsonschema_rs.validator_for(schema).validate(yaml.safe_load(text))


def test_the_shipped_schema_is_the_one_that_config_schema_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "schema"]) == 0
    printed = capsys.readouterr().out
    assert (ROOT / "config/relay.schema.json").read_text() == printed


@pytest.mark.medium
def test_the_schema_explains_every_key() -> None:
    models = json.loads(schema_text())
    silent = [
        f"{name}.{key}"
        for name, model in {"File": models, **models["$defs"]}.items()
        for key, value in model["properties"].items()
        if "description" not in value
    ]
    assert not silent


@pytest.mark.medium
def test_the_schema_refuses_what_check_config_refuses() -> None:
    validator = jsonschema_rs.validator_for(json.loads(schema_text()))
    good = yaml.safe_load(GOOD)
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "recievers": []})
    assert not validator.is_valid(
        {**good, "receivers": [{"name": "x", "telegram_configs": [{"chat_id": "-1"}]}]}
    )
    assert not validator.is_valid(
        {**good, "receivers": [{"name": "x", "telegram_configs": [{"per": "chat"}]}]}
    )


def test_routes_show_draws_the_tree(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "show", f"--config.file={file}"]) == 0
    assert capsys.readouterr().out == (
        "Routing tree:\n.\n"
        "└── default-route  receiver: ops\n"
        '    ├── {team="db"}  continue: true  receiver: dba\n'
        '    └── {severity=~"critical|page"}  receiver: pager  discards\n'
    )


def test_routes_show_prints_the_tree_as_json(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "show", f"--config.file={file}", "-o", "json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["receiver"] == "ops"
    assert [child["matchers"] for child in tree["routes"]] == [
        ['team="db"'],
        ['severity=~"critical|page"'],
    ]


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ([], ["ops"]),
        (["team=db"], ["dba"]),
        (["team=db", "severity=page"], ["dba", "pager"]),
        (["severity=pages"], ["ops"]),
        (["team=", "x=a=b"], ["ops"]),
    ],
)
@pytest.mark.usefixtures("file")
def test_routes_test_prints_the_receivers(
    labels: list[str], receivers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", "test", *labels]) == 0
    assert capsys.readouterr().out.split() == receivers
    assert main(["routes", "test", "-o", "json", *labels]) == 0
    assert json.loads(capsys.readouterr().out) == {"receivers": receivers}


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("verify", "wrong"),
    [
        ("dba,pager", ""),
        ("pager, dba,dba", ""),
        ("dba", "expected [dba]; not expected: pager"),
        ("", "expected []; not expected: dba, pager"),
        ("dba,pager,ops", "expected [dba, pager, ops]; missing: ops"),
        (
            "dba,pagr",
            (
                "expected [dba, pagr]; missing: pagr; not expected: pager; no receiver "
                '"pagr", did you mean "pager"?'
            ),
        ),
    ],
)
def test_routes_test_fails_and_says_how_when_the_receivers_differ(
    verify: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(
        ["routes", "test", f"--verify.receivers={verify}", "team=db", "severity=page"]
    ) == bool(wrong)
    assert capsys.readouterr().err == (
        f"alert-relay: the alert reaches [dba, pager], {wrong}\n" if wrong else ""
    )


@pytest.mark.usefixtures("file")
def test_routes_test_explains_each_route(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "test", "--explain", "severity=warning", "team=db"]) == 0
    assert capsys.readouterr().out == (
        "{} at relay.yml:2: matches, and a route below takes the alert\n"
        '  {team="db"} at relay.yml:4: matches, the alert goes to dba\n'
        '  {severity=~"critical|page"} at relay.yml:7: does not match: severity is "warning"\n'
        "dba\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "required: VERB"),
        (["chekc-config"], "invalid choice: 'chekc-config'"),
        (["routes"], "required: VERB"),
        (["routes", "test", "team"], "'team' is not a label: write name=value"),
        (["routes", "show", "--config.file=none.yml"], "no configuration at none.yml"),
        (["routes", "show", "-o", "xml"], "invalid choice: 'xml'"),
        (["routes", "diff", "none.yml"], "routes diff: no configuration at none.yml\n"),
    ],
)
def test_wrong_use_ends_with_status_2_and_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_a_faulty_file_ends_other_verbs_with_status_1(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD.replace("receiver: dba", "receiver: dab"))
    assert main(["routes", "test"]) == 1
    assert "relay.yml:5:17: unknown receiver" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [name for name, _, _ in VERBS])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"usage: alert-relay {verb}" in capsys.readouterr().out


def test_help_imports_no_verb() -> None:
    code = (
        "import sys; from relay.__main__ import main; main(['--help']); print('pydantic' in "
        "sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.endswith("False\n")
