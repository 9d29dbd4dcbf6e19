"""Adding a receiver to a configuration: what is there stays as it is, and the result is what was
meant.
"""

import pytest
import yaml

from relay.config.extending import Addition, begun, extended, pair, present

TELEGRAM = Addition(
    "dba",
    "telegram_configs",
    (("chat_id: -5", "message_thread_id: 7"), ("chat_id: -6",)),
    ("telegram_bot_token_file: telegram.token",),
)
MEANT = {
    "name": "dba",
    "telegram_configs": [{"chat_id": -5, "message_thread_id": 7}, {"chat_id": -6}],
}
FILES = {
    "plain": "route: {receiver: ops}\nreceivers:\n- name: ops\n",
    "indented": "route:\n  receiver: ops\nreceivers:\n  - name: ops\n    discord_configs: []\n",
    "no newline at the end": "route: {receiver: ops}\nreceivers:\n  - name: ops",
    "with comments": (
        "# head\n\nroute: {receiver: ops} # root\nreceivers: # all\n  # first\n  - name: ops # "
        "ops\n  # tail\n\n# end\n"
    ),
    "with keys behind": "receivers:\n  - name: ops\n\n# then\nroute: {receiver: ops}\ntests: []\n",
    "with a block of text": (
        "receivers:\n  - name: ops\n    note: |\n      many\n      lines\n\nroute: "
        '{receiver: "ops"}\n'
    ),
    "with globals": (
        "global:\n  # bots\n  timezone: UTC # zone\nroute: {receiver: ops}\nreceivers:\n  - "
        "{name: ops}\n"
    ),
    "with the key": (
        "global:\n  telegram_bot_token_file: telegram.token\nroute: {receiver: "
        "ops}\nreceivers:\n  - {name: ops}\n"
    ),
    "a document": (
        "%YAML 1.1\n---\nroute: {receiver: ops}\nreceivers:\n  - name: ops\n    discord_configs: "
        "[\n      {a: b}]\n"
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_there_stays_and_the_receiver_comes_last(name: str) -> None:
    before = FILES[name]
    after = extended(before, TELEGRAM)
    kept = iter(after.split("\n"))
    assert all(line in kept for line in before.split("\n")), after
    was, now = yaml.safe_load(before), yaml.safe_load(after)
    assert now["receivers"] == [*was["receivers"], MEANT]
    assert now["global"] == was.get("global", {}) | {"telegram_bot_token_file": "telegram.token"}
    assert {key: now[key] for key in was if key not in ("receivers", "global")} == {
        key: was[key] for key in was if key not in ("receivers", "global")
    }


def test_a_new_file_sends_everything_to_the_receiver() -> None:
    assert yaml.safe_load(begun(TELEGRAM)) == {
        "global": {"telegram_bot_token_file": "telegram.token"},
        "route": {"receiver": "dba"},
        "receivers": [MEANT],
    }


@pytest.mark.parametrize("name", ["a: b", "#x", "yes", "7", "née ops", '"', "- x"])
def test_any_name_is_written_so_that_it_is_read_back(name: str) -> None:
    addition = Addition(name, "discord_configs", ((pair("webhook_url_file", name),),))
    for text in (begun(addition), extended(FILES["plain"], addition)):
        assert yaml.safe_load(text)["receivers"][-1] == {
            "name": name,
            "discord_configs": [{"webhook_url_file": name}],
        }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("receivers: [{name: ops}]", "no list of receivers to add to"),
        ("receivers: []", "no list of receivers to add to"),
        ("route: {receiver: ops}", "no list of receivers to add to"),
        ("receivers:\n- name: dba\n", "a receiver dba exists already"),
        ("global: {a: b}\nreceivers:\n- name: ops\n", "are on one line"),
        ("a: [", "is not YAML"),
        ("", "the file has no keys"),
        ("- a\n", "the file has no keys"),
    ],
)
def test_where_it_is_not_plain_to_see_how_nothing_is_written(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        extended(text, TELEGRAM)


def test_the_globals_that_are_there_are_known() -> None:
    assert present(FILES["with the key"]) == {"telegram_bot_token_file": "telegram.token"}
    assert present(FILES["plain"]) == {}
