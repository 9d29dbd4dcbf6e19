"""Alertmanager's own tool as judge: label sets reach the same receivers, and a matcher's text means
the same.
"""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.core.alert import Labels
from relay.core.routing.explain import draw
from relay.core.routing.matcher import Matcher, MatcherError, parse
from relay.core.routing.route import Route, walk
from tests.need import need_program

pytestmark = pytest.mark.alertmanager

VALUES = ["", "db", "web", "critical", "a b", 'say "x,y"', "x\ny", "größe", "{z}", "db\\1", "42"]
NAMES = ["team", "severity", "env", "_x", "a:b"]
PATTERNS = [
    "db|web",
    "d.*",
    ".*",
    ".+",
    "",
    "(?i)DB",
    "[^b]+",
    r"\w+",
    r"x\sy",
    r"\d{2}",
    "say.*",
    "gr.{2}e",
    "a b|",
]

RICH = Route(
    "root",
    routes=(
        Route(
            "db",
            parse("team=db"),
            continue_=True,
            routes=(
                Route("db-pager", parse('severity=~"critical|page"')),
                Route("db-odd", parse('env!~".+"'), continue_=True),
                Route("db-mail", parse('env="",_x!="42"')),
            ),
        ),
        Route(
            "both",
            parse('team=~"db|web"'),
            routes=(Route("both-quoted", parse(r'env="say \"x,y\""')),),
        ),
        Route("none", parse('team="",severity=""'), continue_=True),
        Route("words", parse(r'team=~"\\w+",env!=db')),
        Route("rest", parse('"team"!~"d.*"'), continue_=True),
        Route("last", parse('"a:b"=~".+"')),
    ),
)


@pytest.fixture(scope="module")
def amtool() -> str:
    return need_program("amtool", "prometheus-alertmanager")


def run(amtool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [amtool, *arguments], capture_output=True, text=True, check=False, timeout=10
    )


def written(route: Route) -> dict[str, object]:
    """The route as Alertmanager's configuration has it, in the spelling that every version
    reads.
    """
    return {
        "receiver": route.receiver,
        "matchers": [str(matcher) for matcher in route.matchers],
        "continue": route.continue_,
        "routes": [written(child) for child in route.routes],
    }


def everything(route: Route) -> Iterator[Route]:
    yield route
    for child in route.routes:
        yield from everything(child)


def save(root: Route, path: Path) -> Path:
    """An Alertmanager configuration with this tree: JSON, which is YAML too."""
    tree = written(root)
    for key in ("matchers", "continue"):
        del tree[key]
    receivers = [{"name": name} for name in sorted({route.receiver for route in everything(root)})]
    path.write_text(json.dumps({"route": tree, "receivers": receivers}))
    return path


def a_matcher(chance: random.Random) -> Matcher:
    name = chance.choice(NAMES)
    if chance.random() < 0.5:
        return Matcher(name, chance.choice(["=", "!="]), chance.choice(VALUES))
    return Matcher(name, chance.choice(["=~", "!~"]), chance.choice(PATTERNS))


def a_route(chance: random.Random, name: str, depth: int = 0) -> Route:
    return Route(
        receiver=name,
        matchers=tuple(a_matcher(chance) for _ in range(chance.randrange(3) if depth else 0)),
        continue_=depth > 0 and chance.random() < 0.4,
        routes=tuple(
            a_route(chance, f"{name}-{n}", depth + 1)
            for n in range(chance.randrange(5) if depth < 3 else 0)
        ),
    )


def a_label_set(chance: random.Random) -> Labels:
    return {name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.6}


@pytest.mark.parametrize("seed", range(15))
def test_amtool_names_the_same_receivers_in_the_same_order(
    amtool: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    root = a_route(chance, "r") if seed else RICH
    config = save(root, tmp_path / "alertmanager.yml")
    for _ in range(20):
        labels = a_label_set(chance)
        result = run(
            amtool,
            *("config", "routes", "test", f"--config.file={config}"),
            *(str(Matcher(name, "=", value)) for name, value in labels.items()),
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip().split(",") == [
            route.receiver for route in walk(root, labels)
        ], labels


def test_amtool_draws_the_same_tree(amtool: str, tmp_path: Path) -> None:
    result = run(
        amtool,
        "config",
        "routes",
        "show",
        f"--config.file={save(RICH, tmp_path / 'alertmanager.yml')}",
    )
    assert by_name(result.stdout.replace("\N{NO-BREAK SPACE}", " ")) == by_name(draw(RICH))


def by_name(drawn: str) -> list[str]:
    """The lines of a drawing, each with its characters sorted: amtool sorts a line's matchers, we
    keep their order.
    """
    return ["".join(sorted(line)) for line in drawn.strip().splitlines()]


PIECES = [
    "a",
    "b1",
    "5",
    "é",
    "=",
    "!=",
    "=~",
    "!~",
    "!",
    "~",
    '"',
    '"x"',
    "'",
    "\\",
    "\\n",
    '\\"',
    ",",
    " ",
    "{",
    "}",
    "(",
    ".*",
]


@pytest.mark.parametrize("seed", range(6))
def test_amtool_reads_the_classic_grammar_the_same(amtool: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    refused = 0
    for _ in range(20):
        name, op = chance.choice(["a", "b1"]), chance.choice(["=", "!=", "=~", "!~"])
        text = (
            chance.choice(["", "{"])
            + name
            + op
            + "".join(chance.choices(PIECES, k=chance.randrange(6)))
        )
        config = tmp_path / "alertmanager.yml"
        tree = {"receiver": "r", "routes": [{"matchers": [text]}]}
        config.write_text(json.dumps({"route": tree, "receivers": [{"name": "r"}]}))
        result = run(amtool, "config", "routes", "show", f"--config.file={config}")
        try:
            matchers = sorted(parse(text), key=lambda matcher: (matcher.name, matcher.value))
        except MatcherError:
            refused += 1
            assert result.returncode != 0, text
            continue
        assert result.returncode == 0, (text, result.stderr)
        line = f"{{{','.join(map(str, matchers))}}}" if matchers else "default-route"
        assert f"└── {line}  receiver: r" in result.stdout, text
    assert 0 < refused < 20
