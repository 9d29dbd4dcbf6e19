"""Discord's interactions: read leniently, trusted only by signed ids, answered in its forms."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.core.action.rights import Presser
from relay.core.action.settings import DiscordBot
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.core.text.message import Button
from relay.core.text.richtext import RichText
from relay.platforms.discord.ed25519 import verifies
from relay.platforms.discord.interactions import (
    REPLAY,
    TAKE_COMMAND,
    FormChoice,
    IgnoredInteraction,
    Interaction,
    Ping,
    answer,
    form,
    interaction,
    is_signed,
    noted,
    pong,
    register_commands,
    told,
)
from tests.gateway_sandbox import wrong

BOT = DiscordBot("https://discord.com/api/v10", "12345678", Secret("canary-token"), HttpOptions())
PRESS = {
    "id": "111111",
    "application_id": "900001",
    "type": 3,
    "token": "canary-interaction",
    "channel_id": "777777",
    "locale": "fr",
    "member": {
        "nick": "Ann",
        "roles": ["222222", "x", 5],
        "user": {"id": "333333", "username": "anna", "global_name": "Anna B"},
    },
    "message": {"id": "444444", "author": {"id": "12345678"}},
    "data": {"custom_id": "1t.abc", "component_type": 2},
}
WHO = Presser("discord", "333333", "Ann", frozenset({"222222"}))


def read(body: object) -> Interaction:
    found = interaction(body)
    assert isinstance(found, Interaction), found
    return found


def test_a_press_has_the_person_the_message_and_the_data() -> None:
    found = read(PRESS)
    assert (found.kind, found.data, found.message, found.channel) == (
        "press", "1t.abc", "444444", "777777"
    )  # fmt: skip
    assert found.presser == WHO
    assert (found.locale, found.author, found.application) == ("fr", "12345678", "900001")
    assert "canary" not in repr(found)


def test_a_message_command_works_on_the_message_of_a_webhook() -> None:
    message = {"id": "444444", "webhook_id": "99999", "author": {"id": "99999"}}
    data = {
        "type": 3,
        "name": TAKE_COMMAND,
        "target_id": "444444",
        "resolved": {"messages": {"444444": message}},
    }
    found = read({**PRESS, "type": 2, "data": data})
    assert (found.kind, found.data, found.message, found.author) == (
        "command", "Take", "444444", "99999"
    )  # fmt: skip


@pytest.mark.parametrize(
    "components",
    [
        [
            {"type": 18, "component": {"type": 4, "custom_id": "duration", "value": "90m"}},
            {"type": 18, "component": {"type": 4, "custom_id": "reason", "value": "deploy"}},
        ],
        [
            {"type": 1, "components": [{"type": 4, "custom_id": "duration", "value": "90m"}]},
            {"type": 1, "components": [{"type": 4, "custom_id": "reason", "value": "deploy"}]},
            {"type": 1, "components": [{"type": 4, "custom_id": "other", "value": "x"}]},
        ],
    ],
)
def test_a_form_has_its_inputs_in_either_layout(components: object) -> None:
    found = read({**PRESS, "type": 5, "data": {"custom_id": "1m.abc", "components": components}})
    assert (found.kind, found.values) == ("form", {"duration": "90m", "reason": "deploy"})


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"id": 5},
        {"token": ""},
        {"member": {}, "user": {}},
        {"member": {"user": {"id": "anna"}}},
        {"type": 4},
        {"type": 2, "data": {"type": 1, "name": "silence"}},
    ],
)
def test_what_names_no_person_or_is_of_another_kind_is_ignored(change: dict[str, object]) -> None:
    assert isinstance(interaction({**PRESS, **change}), IgnoredInteraction)


def test_a_ping_is_answered_by_a_pong() -> None:
    assert interaction({"type": 1}) == Ping()
    assert pong() == {"type": 1}


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PRESS, "user", "components"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(odd, st.sampled_from(sorted(PRESS)))
def test_whatever_comes_nothing_is_raised(value: object, key: str) -> None:
    interaction(value)
    interaction({**PRESS, key: value})


def test_every_answer_is_in_its_form() -> None:
    text = RichText("Ben *took* it @everyone")
    buttons = ((Button("✋ Take over", "1o.abc"),),)
    private = told(text, buttons)
    data = private["data"]
    assert isinstance(data, dict)
    assert data["flags"] == 64
    assert data["content"] == r"Ben \*took\* it \@everyone"
    assert data["allowed_mentions"] == {"parse": []}
    assert data["components"][0]["components"][0]["custom_id"] == "1o.abc"
    for body in (private, noted(), pong()):
        assert wrong(3, body) == ""
    one = FormChoice("silence", "this alert: mutes 1 alert")
    asked = form("Silence", "1m.abc", "What?", [one], "How long?", "Why?")
    assert wrong(3, asked) == ""
    assert wrong(5, asked) != ""
    both = form(
        "Silence", "1m.abc", "What?", [one, FormChoice("group", "all")], "How long?", "Why?"
    )
    assert wrong(3, both) == ""
    assert (str(asked).count("'type': 18"), str(both).count("'type': 18")) == (2, 3)


def test_the_choice_of_a_form_is_read_from_its_select() -> None:
    select = {"type": 18, "component": {"type": 3, "custom_id": "scope", "values": ["group"]}}
    found = read({**PRESS, "type": 5, "data": {"custom_id": "1m.abc", "components": [select]}})
    assert found.values == {"scope": "group"}


def test_answers_go_where_the_interaction_says_and_show_no_secret() -> None:
    first = answer(BOT, read(PRESS), noted())
    assert first.url.reveal().endswith("/interactions/111111/canary-interaction/callback")
    commands = register_commands(BOT, "900001")
    assert json.loads(commands.body)[0]["name"] == "Take"
    assert "canary" not in repr(first.url)


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def signed(body: bytes, timestamp: str = "1000") -> str:
    return KEY.sign(timestamp.encode() + body).hex()


def test_only_what_discord_signed_lately_is_believed() -> None:
    body, key = b'{"type":1}', PUBLIC.hex()
    assert is_signed(key, "1000", signed(body), body, 1000.0)
    assert is_signed(key, "1000", signed(body), body, 1000.0 + REPLAY)
    assert not is_signed(key, "1000", signed(body), body, 1001.0 + REPLAY)
    assert not is_signed(key, "1001", signed(body), body, 1000.0)
    assert not is_signed(key, "1000", signed(body), body + b" ", 1000.0)
    assert not is_signed(key, "1000", "00" * 64, body, 1000.0)
    for timestamp, signature in (("", ""), ("x", signed(body)), ("1000", "zz"), ("１", "")):
        assert not is_signed(key, timestamp, signature, body, 1000.0)


@given(st.binary(max_size=64), st.integers(0, 511))
def test_the_verification_agrees_with_a_library_on_good_and_on_spoiled_signatures(
    message: bytes, bit: int
) -> None:
    signature = KEY.sign(message)
    assert verifies(PUBLIC, message, signature)
    spoiled = bytearray(signature)
    spoiled[bit // 8] ^= 1 << bit % 8
    assert not verifies(PUBLIC, message, bytes(spoiled))


def test_a_signature_has_one_form() -> None:
    """A scalar beyond the order of the group is the same point, and is refused (RFC 8032)."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = KEY.sign(b"x")
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not verifies(PUBLIC, b"x", signature[:32] + scalar.to_bytes(32, "little"))
    assert not verifies(b"\xff" * 32, b"x", signature)
    assert not verifies(PUBLIC, b"x", signature[:63])
    assert not verifies(PUBLIC[:31], b"x", signature)


def test_the_vectors_of_rfc_8032() -> None:
    """https://www.rfc-editor.org/rfc/rfc8032#section-7.1, tests 1 and 2."""
    first = (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    )
    second = (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    )
    for public, message, signature in (first, second):
        assert verifies(*(bytes.fromhex(each) for each in (public, message, signature)))
