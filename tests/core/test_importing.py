"""An import keeps who gets what: the chats, their routes, and a word about everything that
is lost.
"""

import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from relay.__main__ import main
from relay.config.config import parse
from relay.config.fault import Fault, render
from relay.config.files import Files
from relay.config.importing import Imported, NotImported, convert
from relay.config.resolve import resolve
from relay.config.rules import Rules, decided
from relay.core.routing.matcher import parse as parse_matchers
from relay.core.routing.route import Route, walk
from relay.platforms import PLATFORMS
from relay.settings.load import BUILTIN
from tests import canary
from tests.need import need_program

SOURCES = {path.name: path.read_text() for path in BUILTIN.glob("*.j2")}
FOLDER = Path(__file__).parents[1] / "importing"
CASES = sorted(path.stem for path in FOLDER.glob("*.yml"))


def imported(text: str) -> Imported:
    return convert("alertmanager.yml", text.encode(), SOURCES, PLATFORMS)


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The configuration that was printed, inline secrets and all, and what was said about it."""
    canary.forget()
    return capsys.readouterr()


def rules(text: str) -> Rules:
    config, faults = parse("relay.yml", text.encode(), PLATFORMS)
    assert config, faults
    draft, more = resolve(config, Files(builtin=SOURCES), "check")
    found = decided(draft, faults + more)
    assert found, "\n".join(map(render, faults + more))
    return found


@pytest.mark.parametrize("case", CASES)
def test_what_comes_of_an_alertmanager_yml(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The golden files hold relay.yml, then what is said about it."""
    monkeypatch.chdir(FOLDER)
    assert main(["import", f"{case}.yml"]) == 0
    out, err = printed(capsys)
    assert f"{out}=====\n{err}" == (FOLDER / f"{case}.txt").read_text()


@pytest.mark.parametrize("case", [case for case in CASES if case != "faulty-chats"])
def test_what_is_imported_has_no_fault(case: str) -> None:
    assert rules(imported((FOLDER / f"{case}.yml").read_text()).config).routing.targets


@pytest.mark.alertmanager
@pytest.mark.parametrize("case", [case for case in CASES if case != "faulty-chats"])
def test_alertmanager_takes_the_snippet_and_notifies_the_others_as_before(
    case: str, tmp_path: Path
) -> None:
    text = (FOLDER / f"{case}.yml").read_text()
    snippet = yaml.safe_load(imported(text).snippet)
    before = yaml.safe_load(text)
    stays = {
        each["name"]
        for each in before["receivers"]
        if set(each) & {"email_configs", "pagerduty_configs"}
    }
    before.pop("global", None)  # who is notified how does not matter here
    before["receivers"] = [{"name": each["name"]} for each in before["receivers"]]
    after = {
        **before,
        "route": snippet["route"],
        "receivers": [*before["receivers"], *snippet["receivers"]],
    }
    for name, config in (("before", before), ("after", after)):
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(config))
    for labels in (
        {"team": "db"},
        {"team": "db", "severity": "page"},
        {"service": "foo1", "severity": "critical"},
        {},
    ):
        old, new = (routed(tmp_path / f"{name}.yml", labels) for name in ("before", "after"))
        assert "alert-relay" in new
        assert new & stays == old & stays


def routed(path: Path, labels: dict[str, str]) -> set[str]:
    amtool = need_program("amtool", "prometheus-alertmanager")
    words = [f"{name}={value}" for name, value in labels.items()]
    command = [amtool, "config", "routes", "test", f"--config.file={path}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.strip().split(","))


CHAT = "telegram_configs: [{chat_id: 1, bot_token_file: f}]"
A = f"\nreceivers: [{{name: a, {CHAT}}}]"
REFUSED: dict[str, tuple[str, str]] = {
    "an empty file": ("", ":1:1: no receiver has telegram_configs or discord_configs"),
    "no YAML": ("route: [", "invalid YAML"),
    "another program's file": ("scrape_configs: []", ":1:1: no receiver has"),
    "a list": ("- a", "no receiver has"),
    "receivers without chats": (
        "route: {receiver: a}\nreceivers: [{name: a}]",
        ":2:1: no receiver has",
    ),
    "no route": (A, 'missing key "route"'),
    "a route that is text": (f"route: a{A}", ":1:8: expected a mapping"),
    "a route further down that is text": (
        f"route: {{receiver: a, routes: [b]}}{A}",
        ":1:31: expected a mapping",
    ),
    "a route to nobody": (
        f"route: {{receiver: a, routes: [{{receiver: aa}}]}}{A}",
        'unknown receiver "aa", did you mean',
    ),
    "a first route to nobody": (f"route: {{routes: []}}{A}", 'missing key "receiver"'),
    "a bad matcher": (
        f"route: {{receiver: a, routes: [{{matchers: ['x=~\"(\"']}}]}}{A}",
        "bad regular expression",
    ),
    "no such time interval": (
        f"route: {{receiver: a, routes: [{{matchers: [x=y], mute_time_intervals: [nights]}}]}}{A}",
        'unknown time interval "nights"',
    ),
    "matchers that are a number": (
        f"route: {{receiver: a, routes: [{{matchers: 5.5}}]}}{A}",
        ":1:42: expected a list",
    ),
    "a receiver twice": (f"route: {{receiver: a}}{A[:-1]}, {{name: a, {CHAT}}}]", 'a second "a"'),
    "a key twice": (f"route: {{receiver: a, receiver: b}}{A}", ":1:22: duplicate key"),
    "a truth value of old": (
        f"route: {{receiver: a, continue: yes}}{A}",
        'YAML 1.1 reads "yes" as a boolean',
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_a_faulty_file_is_refused_at_the_place_of_its_fault(text: str, said: str) -> None:
    with pytest.raises(NotImported) as refused:
        imported(text)
    assert said in "\n".join(map(render, refused.value.faults))


def test_no_secret_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(FOLDER / "faulty-chats.yml")]) == 0
    out, err = printed(capsys)
    for secret in ("1000001:AAAA", "a-password", "not-a-webhook"):
        assert secret not in err
    assert "1000001:AAAA" in out


def test_a_file_that_is_not_there_cannot_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(tmp_path / "alertmanager.yml")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_faulty_file_ends_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alertmanager.yml").write_text("route: [")
    assert main(["import", str(tmp_path / "alertmanager.yml")]) == 1
    assert "alertmanager.yml:1:9: invalid YAML" in capsys.readouterr().err


def test_a_receiver_of_the_snippets_name_is_left_alone() -> None:
    snippet = imported("route: {receiver: alert-relay}\n"
        "receivers: [{name: alert-relay, telegram_configs: "
                       "[{chat_id: 1, bot_token_file: f}]}]").snippet  # fmt: skip
    assert "name: alert-relay-chats\n" in snippet


NAMES = ["mail", "pager", "chat-a", "chat-b"]
CHATTY = frozenset(NAMES[2:])
LABELS = {"team": ["", "db", "web"], "severity": ["", "page"]}
matchers = st.lists(
    st.sampled_from(
        ['team="db"', 'team!="db"', 'severity="page"', 'team=~"db|web"', 'severity=""']
    ),
    max_size=2,
)
trees = st.recursive(
    st.fixed_dictionaries({"receiver": st.sampled_from(NAMES), "matchers": matchers,
        "continue": st.booleans()}),
    lambda below: st.fixed_dictionaries(
        {"matchers": matchers, "continue": st.booleans(), "routes": st.lists(below, max_size=4)},
        optional={"receiver": st.sampled_from(NAMES)},
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.medium
@given(root=st.sampled_from(NAMES), routes=st.lists(trees, max_size=4))
def test_every_alert_reaches_the_same_chats_as_before(
    root: str, routes: list[dict[str, object]]
) -> None:
    tree: dict[str, object] = {"receiver": root, "routes": routes}
    telegram = [{"chat_id": 1, "bot_token_file": "f"}]
    receivers = [{"name": name, "telegram_configs": telegram if name in CHATTY else []}
                 for name in NAMES]  # fmt: skip
    text = imported(yaml.safe_dump({"route": tree, "receivers": receivers})).config
    new = rules(text).routing.root
    old = built(tree, "")
    for team in LABELS["team"]:
        for severity in LABELS["severity"]:
            labels = {
                name: value for name, value in (("team", team), ("severity", severity)) if value
            }
            assert chats(new, labels) == chats(old, labels)


def built(tree: dict[str, object], inherited: str) -> Route:
    """The relay's own tree of the whole of Alertmanager's."""
    receiver = str(tree.get("receiver") or inherited)
    listed, below = tree.get("matchers", []), tree.get("routes", [])
    assert isinstance(listed, list)
    assert isinstance(below, list)
    return Route(
        receiver,
        tuple(matcher for each in listed for matcher in parse_matchers(each)),
        continue_=bool(tree.get("continue", False)),
        routes=tuple(built(each, receiver) for each in below),
    )


def chats(root: Route, labels: dict[str, str]) -> set[str]:
    return {route.receiver for route in walk(root, labels)} & CHATTY


KEYS = st.sampled_from(
    ["global", "route", "routes", "receivers", "receiver", "name", "telegram_configs",
     "discord_configs", "chat_id",
     "bot_token", "webhook_url_file", "http_config", "tls_config", "matchers", "match", "continue",
     "time_intervals",
     "mute_time_intervals", "times", "message", "templates", "group_by"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.sampled_from(["a", "b", "x=y", "", "yes", "{{", "1e5"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=25,
)
WHOLE = {
    "route": {"receiver": "a", "routes": [{"receiver": "b", "matchers": ["x=y"]}]},
    "receivers": [
        {"name": "a", "telegram_configs": [{"chat_id": 1, "bot_token_file": "f"}]},
        {"name": "b", "discord_configs": [{"webhook_url_file": "f"}]},
    ],
}


@given(st.data())
def test_any_yaml_is_imported_without_a_fault_or_refused_with_one(data: st.DataObject) -> None:
    """A good file with anything in the place of one of its values."""
    text, faults = yaml.safe_dump(replaced(WHOLE, data), sort_keys=False), tuple[Fault, ...]()
    try:
        found = imported(text)
        text, faults = found.config, found.missing
    except NotImported as refused:
        faults = refused.faults
    if not faults:
        rules(text)


def replaced(value: object, data: st.DataObject) -> object:
    """The value with anything in one place of it."""
    inner = (
        value
        if isinstance(value, dict)
        else dict(enumerate(value))
        if isinstance(value, list)
        else {}
    )
    at = data.draw(st.sampled_from([None, *inner, "more"]) if inner else st.none())
    if at is None:
        return data.draw(ANYTHING)
    if at == "more":
        extra = data.draw(KEYS if isinstance(value, dict) else st.just(len(inner)))
        inner = {**inner, extra: data.draw(ANYTHING)}
    else:
        inner = {**inner, at: replaced(inner[at], data)}
    return inner if isinstance(value, dict) else list(inner.values())
