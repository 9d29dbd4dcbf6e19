"""Presses and answers on Telegram: how they are read, and what is asked of the Bot API."""

import json

import pytest
from aiogram import methods
from aiogram.types import InlineKeyboardMarkup
from hypothesis import given
from hypothesis import strategies as st

from relay.core.bot.account import Bot
from relay.core.bot.update import CallbackQuery, ChatInfo, Ignored, Seen, Topic, Update, Written
from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret
from relay.core.text.message import Button
from relay.platforms.http import Request
from relay.platforms.telegram.acting import (
    LONGEST_ANSWER,
    MemberRights,
    answer_callback_query,
    ask,
    asked_message,
    delete_ephemeral,
    delete_message,
    ephemeral_probe,
    get_chat_member,
    knows_ephemerals,
    member_rights,
    place,
    send_ephemeral,
)
from relay.platforms.telegram.bot import Refusal, Result
from relay.platforms.telegram.updates import ALLOWED, update
from tests.platforms.specs import faults

BOT = Bot("https://api.telegram.org", "7", Secret("7:canary"), HttpOptions(), "polling", "")
ADMIN = MemberRights(admin=True, anonymous=False)
HIDDEN = MemberRights(admin=True, anonymous=True)
NO_RIGHTS = MemberRights(admin=False, anonymous=False)
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Ops"}
CHAT = ChatInfo("-1001234567890", "supergroup", "Ops")
ANNA = {"id": 12, "is_bot": False, "first_name": "Anna", "last_name": "B", "language_code": "fr"}
MESSAGE = {"message_id": 5, "chat": GROUP, "date": 1}


def pressed(**changes: object) -> Update:
    told = {"id": "q1", "from": ANNA, "message": MESSAGE, "data": "1t.abc", "chat_instance": "1"}
    return update({"update_id": 9, "callback_query": told | changes}, "relay_bot")


def test_a_press_has_the_person_the_message_and_whatever_data_the_app_says() -> None:
    assert pressed() == CallbackQuery(9, "q1", CHAT, Topic(), "5", 12, "Anna B", "fr", "1t.abc")
    assert "callback_query" in ALLOWED


def test_of_a_message_that_is_too_old_chat_and_id_are_enough() -> None:
    old = {"message_id": 5, "chat": GROUP, "date": 0}
    assert isinstance(pressed(message=old), CallbackQuery)


def test_a_press_in_a_topic_says_so() -> None:
    found = pressed(message={**MESSAGE, "is_topic_message": True, "message_thread_id": 7})
    assert isinstance(found, CallbackQuery)
    assert found.topic.id == "7"


@pytest.mark.parametrize(
    "change",
    [
        {"message": None},
        {"message": {"chat": GROUP}},
        {"from": {}},
        {"from": {"id": -5}},
        {"from": {"id": "12"}},
        {"id": ""},
        {"id": 5},
    ],
)
def test_a_press_without_a_message_a_person_or_an_id_is_ignored(change: dict[str, object]) -> None:
    assert isinstance(pressed(**change), Ignored)


def test_an_endless_name_or_data_is_bounded() -> None:
    found = pressed(data="x" * 9999, **{"from": {**ANNA, "first_name": "\u202e" + "n" * 9999}})
    assert isinstance(found, CallbackQuery)
    assert len(found.data) <= 256
    assert len(found.name) <= 128
    assert found.name.isprintable()


def wrote(text: str, **changes: object) -> Update:
    asked = {"message_id": 40, "chat": GROUP, "date": 1, "from": {"id": 7, "is_bot": True}}
    told = {"message_id": 41, "chat": GROUP, "date": 2, "from": ANNA, "reply_to_message": asked}
    return update({"update_id": 9, "message": told | {"text": text} | changes}, "relay_bot")


def test_what_is_written_in_answer_to_a_bot_is_read() -> None:
    answered = Written(9, CHAT, Topic(), 12, "Anna B", "fr", "41", "40", "90m")
    assert wrote("90m") == answered


def test_another_answer_is_only_seen_and_an_anonymous_one_has_no_person() -> None:
    person = {"message_id": 40, "chat": GROUP, "date": 1, "from": {"id": 3, "is_bot": False}}
    assert isinstance(wrote("90m", reply_to_message=person), Seen)
    assert isinstance(wrote("90m", reply_to_message=None), Seen)
    hidden = wrote("90m", sender_chat=GROUP, **{"from": {"id": 1087968824, "is_bot": True}})
    assert isinstance(hidden, Written)
    assert hidden.user == 0


def test_a_press_in_a_message_that_one_person_sees_has_its_id() -> None:
    found = pressed(message={"message_id": 0, "ephemeral_message_id": 3, "chat": GROUP, "date": 1})
    assert isinstance(found, CallbackQuery)
    assert (found.message, found.ephemeral) == ("", 3)
    both = pressed(message={**MESSAGE, "ephemeral_message_id": 3})
    assert isinstance(both, CallbackQuery)
    assert (both.message, both.ephemeral) == ("5", 0)


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "from", "message", "chat", "type"]), inner)
    ),
    max_leaves=15,
)


@given(odd)
def test_whatever_comes_nothing_is_raised(value: object) -> None:
    update({"update_id": 9, "callback_query": value}, "relay_bot")
    for key in ("id", "from", "message", "data"):
        pressed(**{key: value})


@pytest.mark.specs
@pytest.mark.parametrize(
    "asked",
    [
        answer_callback_query(BOT, "q1", "It is yours.", alert=False),
        answer_callback_query(BOT, "q1", "no " * 200, alert=True),
        get_chat_member(BOT, "-1001", 12),
        ask(BOT, "-1001", "7", "5", "For how long? 🔕", "90m, 2d, until 18:00", "12"),
        delete_message(BOT, "-1001", "40"),
    ],
    ids=lambda request: request.name,
)
def test_every_call_keeps_the_specification(asked: Request) -> None:
    assert faults(asked) == []


def test_an_answer_to_a_press_is_short_and_an_alert_only_where_it_must_be_read() -> None:
    long = json.loads(answer_callback_query(BOT, "q1", "x" * 999, alert=True).body)
    assert len(long["text"]) == LONGEST_ANSWER
    assert long["show_alert"] is True
    assert "show_alert" not in json.loads(answer_callback_query(BOT, "q1", "x", alert=False).body)


def test_a_question_is_put_to_one_person_alone() -> None:
    body = json.loads(ask(BOT, "-1001", "", "5", "For how long? 🔕", "90m", "12").body)
    assert body["reply_markup"]["selective"] is True
    assert body["reply_markup"]["force_reply"] is True
    (entity,) = body["entities"]
    assert entity["url"] == "tg://user?id=12"
    units = len(body["text"].encode("utf-16-le")) // 2
    assert entity["offset"] + entity["length"] == units
    assert "message_thread_id" not in body


@pytest.mark.parametrize(
    ("answer", "rights"),
    [
        (
            Result({"status": "creator", "is_anonymous": False}),
            ADMIN,
        ),
        (
            Result({"status": "administrator", "is_anonymous": True}),
            HIDDEN,
        ),
        (Result({"status": "member", "is_anonymous": True}), NO_RIGHTS),
        (Result({"status": "restricted"}), NO_RIGHTS),
        (Result(None), NO_RIGHTS),
        (Result({"status": ["creator"]}), NO_RIGHTS),
        (Refusal(400, "member list is inaccessible"), NO_RIGHTS),
    ],
)
def test_who_administers_is_only_what_telegram_says(
    answer: Result | Refusal, rights: MemberRights
) -> None:
    assert member_rights(answer) == rights


def test_the_place_of_a_button_is_the_bot_in_its_chat() -> None:
    assert place(BOT, "-1001") == "telegram https://api.telegram.org 7 -1001"
    assert "canary" not in place(BOT, "-1001")
    assert asked_message(Result({"message_id": 40})) == "40"
    assert asked_message(Refusal(400, "x")) == ""


QUERY = CallbackQuery(1, "q1", CHAT, Topic("7"), "5", 12, "Anna", "en", "1m.abc", 3)
ROWS = ((Button("30 min", "1s.abc"),), (Button("other …", "1a.abc"),))


@pytest.mark.parametrize(
    ("asked", "method"),
    [
        (send_ephemeral(BOT, QUERY, "For how long?", ROWS), methods.SendMessage),
        (ephemeral_probe(BOT, QUERY), methods.DeleteEphemeralMessage),
        (delete_ephemeral(BOT, QUERY), methods.DeleteEphemeralMessage),
    ],
)
def test_messages_that_one_person_sees_are_as_aiogram_types_them(
    asked: Request, method: type[methods.TelegramMethod[object]]
) -> None:
    """They are newer (Bot API 10.3) than the specification that other calls are judged by."""
    body = json.loads(asked.body)
    read = method.model_validate(body)
    assert asked.name == method.__api_method__
    assert set(body) <= set(method.model_fields), "a parameter that aiogram does not know"
    assert read.model_dump(exclude_unset=True, mode="json", warnings=False)["chat_id"] == int(
        CHAT.id
    )
    if isinstance(read, methods.SendMessage):
        told = read.ephemeral_message_parameters
        assert told is not None
        assert (told.receiver_user_id, told.callback_query_id) == (12, "q1")
        assert set(body["ephemeral_message_parameters"]) <= set(type(told).model_fields)
        assert isinstance(read.reply_markup, InlineKeyboardMarkup)


@pytest.mark.parametrize(
    ("answer", "knows"),
    [
        (Result(True), True),
        (Refusal(400, "message to delete not found"), True),
        (Refusal(404, "Not Found: method not found"), False),
        (Refusal(429, "Too Many Requests"), None),
        (Refusal(0, "no answer"), None),
    ],
)
def test_an_older_server_is_known_by_its_answer(
    answer: Result | Refusal, knows: bool | None
) -> None:
    assert knows_ephemerals(answer) is knows
