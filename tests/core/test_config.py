"""relay.yml from bytes: faults of structure all at once, and nothing but faults for whatever
bytes.
"""

import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from relay.config.config import Config, parse
from relay.config.fault import Fault, render
from relay.config.files import Files
from relay.config.resolve import resolve
from relay.platforms import PLATFORMS

ROOT = Path(__file__).parent.parent.parent
GOOD = (ROOT / "config/examples/nights-and-fallbacks.yml").read_text()
WITH_TEMPLATES = Files(
    builtin={path.name: path.read_text() for path in (ROOT / "templates").glob("*.j2")}
)
BARE = Files()  # compiles nothing, so that many examples take little time
PLAIN = [
    "",
    "~",
    "no",
    "12:30:45",
    "null",
    "-1",
    "0x1F",
    "9" * 30,
    "1e999",
    "9" * 5000,
    "receiver: ",
    "name: ",
    "\n\n",
]
MARKS = [
    "- ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "'",
    '"',
    "|\n",
    ">-\n",
    "#",
    "?",
    "[[[[",
    "---\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!set ",
]
ODD = ["\t", "\ufeff", "\x00", "\r", "\u2028", "%YAML 1.1\n", '=~"("']


def check(data: bytes, files: Files = WITH_TEMPLATES) -> tuple[Config | None, tuple[Fault, ...]]:
    """What parsing and resolving come to, as `check-config` does it."""
    config, faults = parse("relay.yml", data, PLATFORMS)
    if config is not None:
        _, more = resolve(config, files, "check")
        faults += more
    return config, faults


@given(
    at=st.integers(0, len(GOOD)), drop=st.integers(0, 40), word=st.sampled_from(PLAIN + MARKS + ODD)
)
@example(at=0, drop=len(GOOD), word="")
@example(at=0, drop=0, word="x: &x [*x]\n")
def test_a_mutated_file_never_raises_anything_but_faults(at: int, drop: int, word: str) -> None:
    text = GOOD[:at] + word + GOOD[at + drop :]
    config, faults = check(text.encode(), BARE)
    assert config is not None or faults
    lines = text.count("\n") + text.count("\r") + text.count("\u2028") + 1
    for fault in faults:
        assert 1 <= fault.line <= lines
        assert fault.column >= 1
        assert render(fault).startswith("relay.yml:")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_faults(data: bytes) -> None:
    config, faults = check(data, BARE)
    assert config is None
    assert faults


def _swapped(node: object, draw: st.DataObject) -> object:
    if draw.draw(st.integers(0, 9)) == 0:
        return draw.draw(
            st.sampled_from(
                [None, True, 0, -5, 1.5, "x", [], {}, ["x"], [[]], {"a": {"b": 1}}, [{}]]
            )
        )
    if isinstance(node, dict):
        return {key: _swapped(value, draw) for key, value in node.items()}
    return [_swapped(item, draw) for item in node] if isinstance(node, list) else node


@pytest.mark.medium
@given(st.data())
def test_values_of_the_wrong_kind_in_any_place_are_faults(data: st.DataObject) -> None:
    swapped = _swapped(yaml.safe_load(GOOD), data)
    check(json.dumps(swapped).encode(), BARE)


def test_structure_and_meaning_are_judged_in_one_pass() -> None:
    config, faults = check(
        b"""
route:
  receiver: ops
  contineu: true
  routes:
    - {matchers: [team="db"], receiver: 5}
    - {matchers: [team="web"], receiver: wbe}
receivers:
  - name: ops
    telegram_configs: [{chat_id: -1}]
  - {name: web, quiet: nights}
"""
    )
    assert config
    assert {fault.line: fault.message.partition(",")[0].partition(":")[0] for fault in faults} == {
        4: 'unknown key "contineu"',
        6: "expected text",
        7: 'unknown receiver "wbe"',
        10: "this chat has no bot",
        11: 'unknown time interval "nights"',
    }


def test_what_is_left_out_of_a_list_moves_no_place_of_the_rest() -> None:
    _, faults = check(
        b"""
route: {receiver: a}
receivers:
  - 1
  - [2]
  - name: a
    fallback: x
  - 3
  - name: b
    fallback: y
"""
    )
    assert [(fault.line, fault.message.split(",")[0]) for fault in faults] == [
        (4, "expected a mapping"),
        (5, "expected a mapping"),
        (8, "expected a mapping"),
        (7, 'unknown receiver "x"'),
        (10, 'unknown receiver "y"'),
        (9, 'no route leads to the receiver "b"'),
    ]


def test_a_receiver_with_a_fault_in_it_is_still_known_by_name() -> None:
    _, faults = check(b"route: {receiver: ops}\nreceivers: [{name: ops, per: week}]")
    assert [fault.message for fault in faults] == ['expected one of group or alert, got "week"']


@pytest.mark.medium
def test_thousands_of_faults_are_counted_in_little_time() -> None:
    started = time.process_time()
    routes = "\n".join(f"    - {{reciever: r{n}}}" for n in range(3000))
    _, faults = check(
        f"route:\n  receiver: ops\n  routes:\n{routes}\nreceivers: [{{name: ops}}]".encode()
    )
    assert len(faults) == 501
    assert faults[-1].message == "2500 more faults are not shown"
    routes = "\n".join(f"    - {{receiver: r{n}}}" for n in range(3000))
    names = ", ".join(f"{{name: x{n}}}" for n in range(3000))
    _, faults = check(f"route:\n  receiver: x1\n  routes:\n{routes}\nreceivers: [{names}]".encode())
    assert len([fault for fault in faults if fault.message.startswith("unknown receiver")]) == 3000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("empty", ["", "null", "~"])
def test_a_key_without_a_value_counts_as_absent(empty: str) -> None:
    config, faults = check(
        (
            f"global: {empty}\nroute: {{receiver: ops}}\nreceivers: [{{name: ops}}]\ntests: {empty}"
        ).encode()
    )
    assert config
    assert not faults


def test_merge_keys_and_aliases_are_followed() -> None:
    config, faults = check(
        b"""
route: {receiver: a}
receivers:
  - &base {name: a, per: alert, language: fr}
  - {<<: *base, name: b, language: en}
"""
    )
    assert config
    assert [fault.message for fault in faults] == ['no route leads to the receiver "b"']
    assert [(entry.name, entry.per, entry.language) for entry in config.file.receivers] == [
        ("a", "alert", "fr"),
        ("b", "alert", "en"),
    ]


@pytest.mark.medium
def test_five_thousand_routes_load_in_about_a_second() -> None:
    routes = "\n".join(
        f'    - {{matchers: [team="t{n}", severity=~"page|x{n}"], receiver: ops}}'
        for n in range(5000)
    )
    started = time.process_time()
    config, faults = check(
        f"route:\n  receiver: ops\n  routes:\n{routes}\nreceivers: [{{name: ops}}]".encode()
    )
    assert config
    assert not faults
    assert time.process_time() - started < 5  # generous: what is quadratic takes a minute
