"""What the pages show works: configurations are checked, templates rendered, commands run."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.__main__ import main
from relay.core.template import template
from relay.inbound import web_config as webconfig
from relay.settings.load import BUILTIN, load
from tests.docs import pages, verbs
from tests.docs.pages import Block
from tests.need import need_program
from tests.ship.charts import CHART
from tests.ship.test_schema import keys as chart_values

VERBS = {name: parser for name, parser, _ in verbs.verbs()}
OF_A_CHECKOUT = ("test", "check")  # known to ./run alone
BUILT_IN = {path.name: path.read_text(encoding="utf-8") for path in BUILTIN.glob("*.j2")}
YAML = pages.blocks("yaml")
ALERTMANAGER = [block for block in YAML if block.text.startswith("# alertmanager.yml\n")]
JINJA = pages.blocks("jinja")
CONSOLES = pages.blocks("console")
COMMANDS = [
    (block.place, line)
    for block in pages.blocks("sh", "console")
    for line in verbs.commands(block.text)
]
INLINE = [
    (pages.name(page), words)
    for page in pages.PAGES
    for words in re.findall(r"`((?:alert-relay|\./run) [^`\n]+)`", pages.text(page))
]


def _place(block: Block) -> str:
    return block.place


def _configuration(block: Block) -> dict[str, Any]:
    """The block as a whole file: what a part leaves out is put around it."""
    found: dict[str, Any] = yaml.safe_load(block.text)
    if block.text.startswith("# relay.yml, a part\n"):
        whole = {
            "global": {"telegram_bot_token_file": "/run/secrets/telegram"},
            "route": {"receiver": found["receivers"][0]["name"]},
        }
        return whole | found
    return found


def _furnish(folder: Path, block: Block) -> Path:
    """A folder with the block's configuration, and the template that the page on templates begins
    with.
    """
    (folder / "templates").mkdir()
    (folder / "templates/one-line.html.j2").write_text(JINJA[0].text, encoding="utf-8")
    if block.text.startswith("# alertmanager.yml"):
        (folder / "alertmanager.yml").write_text(block.text, encoding="utf-8")
        return folder / "alertmanager.yml"
    path = folder / "relay.yml"
    part = "a part" in block.text.splitlines()[0]
    path.write_text(yaml.safe_dump(_configuration(block)) if part else block.text, encoding="utf-8")
    return path


@pytest.mark.medium
@pytest.mark.parametrize("block", YAML, ids=_place)
def test_each_configuration_is_accepted(block: Block, tmp_path: Path) -> None:
    match block.text.splitlines()[0]:
        case "# relay.yml" | "# relay.yml, a part":
            rules, faults = load(_furnish(tmp_path, block), "check")
            assert rules is not None, faults
            assert [fault.message for fault in faults if "secret file " not in fault.message] == []
        case "# web.yml":
            path = tmp_path / "web.yml"
            path.write_text(block.text, encoding="utf-8")
            for name in yaml.safe_load(block.text)["bearer_token_files"]:
                (tmp_path / name).write_text("a-token\n", encoding="utf-8")
            assert webconfig.read(path).guarded
        case "# alertmanager.yml":
            found = yaml.safe_load(block.text)
            (receiver,) = (
                each for each in found["receivers"] if each["name"] == found["route"]["receiver"]
            )
            assert all(
                re.search(r":[0-9]+/alerts$|\.org/alerts$", each["url"])
                for each in receiver["webhook_configs"]
            )
        case "# alertmanager.yml, before":
            assert main(["import", str(_furnish(tmp_path, block))]) == 0
        case "# values.yaml":
            schema = json.loads((CHART / "values.schema.json").read_text())
            assert list(chart_values(yaml.safe_load(block.text), schema))
        case "# a Cluster of CloudNativePG":
            cluster = yaml.safe_load(block.text)
            synchronous = cluster["spec"]["postgresql"]["synchronous"]["number"]
            assert cluster["spec"]["instances"] > synchronous + 1
        case first:
            pytest.fail(f"the first line has to say which file this is, not {first!r}")


@pytest.mark.alertmanager
@pytest.mark.parametrize("block", ALERTMANAGER, ids=_place)
def test_alertmanager_takes_its_configuration(block: Block, tmp_path: Path) -> None:
    amtool = need_program("amtool", "prometheus-alertmanager")
    path = tmp_path / "alertmanager.yml"
    path.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [amtool, "check-config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.medium
@pytest.mark.parametrize("block", JINJA, ids=_place)
def test_each_template_renders(block: Block) -> None:
    compiled, faults = template.compile({**BUILT_IN, "shown": block.text})
    assert faults == ()
    assert template.check(compiled, "shown", "html") == ()


@pytest.mark.medium
@pytest.mark.parametrize("block", CONSOLES, ids=_place)
def test_each_console_shows_what_the_commands_print(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _furnish(tmp_path, next(each for each in YAML if each.page == block.page))
    monkeypatch.chdir(tmp_path)
    for command, shown in _exchanges(block.text):
        assert main(shlex.split(command)[1:]) == 0, command
        printed = capsys.readouterr().out.strip("\n")
        assert shown in ("", printed), command


def _exchanges(console: str) -> Iterator[tuple[str, str]]:
    """Each command with what is shown below it."""
    for exchange in console.split("$ ")[1:]:
        command, _, shown = exchange.partition("\n")
        yield command, shown.strip("\n")


@pytest.mark.parametrize(("place", "command"), COMMANDS)
def test_each_command_of_a_block_is_right_as_it_stands(place: str, command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    if words[0] not in OF_A_CHECKOUT:
        assert verbs.understood(words), f"{place}: {command}"


@pytest.mark.parametrize(("place", "command"), INLINE)
def test_each_command_of_a_sentence_has_a_verb_and_flags_that_exist(
    place: str, command: str
) -> None:
    words = [word for word in command.split()[1:] if word != "..."]
    if words[0] in ("VERB", "--version", *OF_A_CHECKOUT):
        return
    of_verb = [
        parser
        for verb, parser in VERBS.items()
        if " ".join(words).startswith(verb) or verb.startswith(words[0])
    ]
    flags = {
        flag
        for parser in of_verb
        for action in verbs.options(parser)
        for flag in action.option_strings
    }
    assert of_verb, f"{place}: {command}"
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= flags, (
        f"{place}: {command}"
    )
