"""YAML read with care: places, scalars as they look, and hostile files that end in one fault."""

import time

import pytest

from relay.config.source import MappingNode, Position, ScalarNode, SequenceNode, plain
from relay.config.yaml_tree import read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ops", "ops"),
        ("7", 7),
        ("-1001234567890", -1001234567890),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("'no'", "no"),
        ('"12:30"', "12:30"),
        ('"7"', "7"),
        ("y", "y"),
        ("2d", "2d"),
        ("27/1s", "27/1s"),
        ('team="db"', 'team="db"'),
        ("1.2.3", "1.2.3"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_scalars_are_what_they_look_like(text: str, value: object) -> None:
    source, faults = read("f", f"a: {text}".encode())
    assert not faults
    assert source.root
    assert plain(source.root) == {"a": value}


@pytest.mark.parametrize(
    "text",
    ["no", "Yes", "ON", "off", "12:30", "12:30:45", "190:20:30.15", "2026-11-22",
     "2026-11-22 10:00:00", "0755",
     "0x1F", "0b1", "0o7", "1_000", "+5", ".inf", "-.inf", ".nan", "1e3", ".5", "5."],
)  # fmt: skip
def test_what_yaml_readers_disagree_about_is_a_fault(text: str) -> None:
    source, (fault,) = read("f", f"a: {text}".encode())
    assert fault.column == 4
    assert "quotes" in fault.message
    assert source.root


def test_nodes_know_their_places() -> None:
    source, _ = read("f", b"route:\n  routes:\n    - {receiver: 'ops'}\n")
    assert isinstance(source.root, MappingNode)
    assert source.position(("route", "routes", 0, "receiver")) == Position(2, 17, 2, 22)
    assert source.key_position(("route", "routes", 0, "receiver")) == Position(2, 7, 2, 15)
    assert source.position(("route", "routes", 5, "nothing")) == source.position(
        ("route", "routes")
    )
    assert isinstance(source.node(("route", "routes")), SequenceNode)
    assert isinstance(source.node(("route", "routes", 0, "receiver")), ScalarNode)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: " + b"[" * 1_000_000, "nested deeper than 100 levels"),
        (b"{a: " * 1_000_000, "nested deeper than 100 levels"),
        (b"- " * 200, "nested deeper than 100 levels"),
        (b"a: &a [*a]", 'unknown alias "*a"'),
        (b"a: b\n...\n---\na: c", "a second YAML document"),
        (b"#" * (17 << 20), "larger than 16 MiB"),
        (b"\xff\xfea\x00", "invalid UTF-8"),
        ("a: \ufffe".encode(), "a control character (U+FFFE)"),
        (b"a: b\x1b[31m", "a control character (U+001B)"),
        (b"a:\n\tb: c", "a tab in the indentation"),
        (b"a: 'b", "invalid YAML"),
        (b"a: b: c", "invalid YAML: mapping values are not allowed"),
    ],
)
def test_hostile_files_end_in_one_fault_at_once(data: bytes, says: str) -> None:
    started = time.process_time()
    source, (fault,) = read("f", data)
    assert says in fault.message
    assert source.root is None
    assert time.process_time() - started < 2


def test_a_bomb_of_aliases_is_counted_before_anything_is_built() -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [
        b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 40)
    ]
    source, (fault,) = read("f", b"\n".join(levels))
    assert "more than 1000000 values" in fault.message
    assert source.root is None


def test_keys_are_texts_and_stand_once() -> None:
    source, faults = read("f", b"a: 1\na: 2\n[b]: 3\n? {c: d}\n: 4\n'no': 5\n")
    assert [fault.message.split(",")[0].split(":")[0] for fault in faults] == [
        'duplicate key "a"',
        "a key must be a string",
        "a key must be a string",
    ]
    assert source.root
    assert plain(source.root) == {"a": 1, "no": 5}


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!Ref", "!!binary"])
def test_tags_are_faults_and_build_nothing(tag: str) -> None:
    _, (fault,) = read("f", f"a: {tag} x".encode())
    assert fault.message.startswith("tags such as")


@pytest.mark.parametrize("text", ["r: [e: ", "r:\n  x: [e: "])
def test_a_fault_at_the_end_has_its_place_within_the_file(text: str) -> None:
    _, (fault,) = read("f", text.encode())
    assert (fault.line, fault.column) == (text.count("\n") + 1, len(text.splitlines()[-1]) + 1)
