"""The check of templates: one that would freeze or fill the relay does so to another process, and
is a fault of its template.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from relay.config import template_check as samples
from relay.config.fault import Fault
from relay.config.template_uses import TemplateCheck
from relay.core.template import template
from relay.settings import load as settings
from relay.settings import template_check as template_process
from relay.settings.bounded import Bounds

BUILTIN = tuple(
    (path.name, path.read_text(encoding="utf-8")) for path in sorted(settings.BUILTIN.glob("*.j2"))
)
GOOD = "{{ mark }} {{ name }}"
LARGE = GOOD * 2500
# Near the most that one rendering may do, and there are dozens of renderings.
SLOW = (
    "{% for i in range(990) %}{% for j in range(12) %}{% set x = name | title | title %}{% "
    "endfor %}{% endfor %}" + GOOD
)
BOUNDS = Bounds()
CONFIG = """\
global: {telegram_bot_token: "1000001:aaaaaaaaaaaaaaaaaaaa"}
templates: ["*.j2"]
route: {receiver: ops}
receivers: [{name: ops, telegram_configs: [{chat_id: -1001, template: b.j2}]}]
"""


def found(bounds: Bounds = BOUNDS, **own: str) -> list[tuple[str, str]]:
    """What is wrong with which of these templates, whose uses are in HTML."""
    tried = TemplateCheck(BUILTIN, tuple(own.items()), tuple((name, "html") for name in own))
    return [(fault.template, fault.message) for fault in template_process.faults(tried, bounds)]


@pytest.mark.medium
def test_however_many_templates_there_are_the_check_ends() -> None:
    """5000 small files kept a reload, and all those after it, waiting for half an hour."""
    many = {f"t{number:03}": GOOD for number in range(200)}
    ((name, said),) = found(Bounds(patience=5.0, total=5.0), **many)
    assert name != "t000"
    assert said == "compiling and checking it takes more than 5 s for all templates: name fewer"


@pytest.mark.medium
def test_the_other_process_finds_what_would_be_found_here() -> None:
    own = {
        "a": GOOD,
        "b": "{{ nope }}",
        "c": "",
        "d": "{% if",
        "e": "<b>{{ name }}",
        "f": "{{ name }}{{ 1 // 0 }}",
    }
    tried = TemplateCheck(BUILTIN, tuple(own.items()), tuple((name, "html") for name in own))
    here = tuple(fault for each in samples.check_results(tried, own) for fault in each.faults)
    assert {fault.template for fault in here} == {"b", "c", "d", "e", "f"}
    assert template_process.faults(tried) == here


@pytest.mark.medium
def test_what_takes_too_long_is_ended_and_named_and_the_others_are_tried() -> None:
    named = found(Bounds(seconds=1), a="{{ nope }}", b=SLOW, c="{{ nope }}", d=GOOD)
    assert [name for name, _ in named] == ["a", "b", "c"]
    assert named[1][1] == "compiling and checking it takes more than 1 s of a processor or 256 MiB"


@pytest.mark.medium
def test_what_takes_too_much_memory_is_named_and_the_others_are_tried() -> None:
    assert [name for name, _ in found(Bounds(mebibytes=4), a=GOOD, b=LARGE, c=GOOD)] == ["b"]


@pytest.mark.medium
def test_under_a_limit_of_the_system_templates_are_tried_as_well() -> None:
    program = (
        "import resource; from relay.settings import template_check; from "
        "relay.config.template_uses import TemplateCheck\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (100, 100))\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34))\n"
        "own = (('a', '{{ name }}'), ('b', '{{ nope }}'))\n"
        "print(template_check.faults(TemplateCheck((), own, (('a', 'none'),))))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "takes more than" not in said
    assert "'nope' is undefined" in said


def test_what_does_not_end_at_all_is_ended() -> None:
    with pytest.raises(OSError, match="does not start"):
        found(Bounds(patience=0.0), a=GOOD)


def test_built_in_templates_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert not template_process.faults(TemplateCheck(BUILTIN, (), (("telegram.html.j2", "html"),)))
    assert template_process.faults(
        TemplateCheck(BUILTIN, (), (("telegram.html.j2", "markdownv2"),))
    )


@pytest.mark.medium
def test_the_same_templates_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(once=GOOD) == []
    monkeypatch.setattr(subprocess, "run", None)
    assert found(once=GOOD) == []


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "a.j2").write_text("\n{{ nope }}")
    (tmp_path / "b.j2").write_text(GOOD)
    (tmp_path / "relay.yml").write_text(CONFIG)
    return tmp_path / "relay.yml"


@pytest.mark.medium
def test_nothing_is_compiled_here_until_all_has_passed_there(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(template, "compile", None)
        rules, faults = settings.load(config, "check")
    assert rules is None
    assert [(Path(fault.file).name, fault.line, fault.column) for fault in faults] == [
        ("a.j2", 2, 4)
    ]
    assert faults[0].excerpt == "{{ nope }}"
    (config.parent / "a.j2").write_text(GOOD)
    rules, faults = settings.load(config, "check")
    assert not faults
    assert rules
    assert {"a.j2", "b.j2"} < set(rules.active.templates.by_name)


def test_without_a_process_nothing_is_in_force(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> tuple[()]:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(template_process, "faults", fail)
    rules, faults = settings.load(config, "check")
    assert rules is None
    assert faults == (
        Fault(str(config), 1, 1, "cannot check the templates: Resource temporarily unavailable"),
    )
