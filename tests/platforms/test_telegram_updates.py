"""Updates as values: a table of what Telegram sends, and that nothing whatever makes the reader
raise.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.bot.update import (
    ChatInfo,
    Command,
    Ignored,
    Membership,
    Migrated,
    Seen,
    Topic,
    Update,
)
from relay.platforms.telegram.updates import decode, update, updates

ADA = {"id": 555, "is_bot": False, "first_name": "Ada", "language_code": "fr"}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "language_code": "fr"}
PRIVATE = {"id": 555, "type": "private", "first_name": "Ada", "last_name": "L."}
GROUP = {"id": -5, "type": "group", "title": "Team"}
FORUM = {"id": -1001234567890, "type": "supergroup", "title": "Forum", "is_forum": True}
NEWS = {"id": -1009876543210, "type": "channel", "title": "News"}
TEAM = ChatInfo("-5", "group", "Team")
NEWS_CHAT = ChatInfo("-1009876543210", "channel", "News")
UPGRADED = ChatInfo("-1001234567890", "supergroup", "Team")
NONE = Topic()
SUPER = ChatInfo("-1001234567890", "supergroup", "Forum", forum=True)


def message(
    text: str = "",
    *,
    chat: object = GROUP,
    kind: str = "message",
    sender: object = ADA,
    **more: object,
) -> dict[str, object]:
    said = {
        "message_id": 9,
        "date": 1_795_000_000,
        "chat": chat,
        "from": sender,
        "text": text,
        **more,
    }
    return {"update_id": 7, kind: said}


def member(status: str, *, chat: object = GROUP, **more: object) -> dict[str, object]:
    now = {"status": status, "user": {"id": 111, "is_bot": True}, **more}
    return {
        "update_id": 7,
        "my_chat_member": {"chat": chat, "from": ADA, "date": 1, "new_chat_member": now},
    }


def command(
    name: str, argument: str = "", *, user: int = 555, chat: ChatInfo = TEAM, topic: Topic = NONE
) -> Command:
    return Command(7, chat, topic, user, "fr", "9", 1_795_000_000.0, name, argument)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (message("/start abc-_9"), command("start", "abc-_9")),
        (message("/start@Relay_Bot  abc "), command("start", "abc")),
        (message("/START"), command("start")),
        (message("/mute 2h\n"), command("mute", "2h")),
        (message('/alerts team="db", a=~"b c"'), command("alerts", 'team="db", a=~"b c"')),
        (message("/start@other_bot abc"), Seen(7, TEAM, NONE)),
        (message("start abc"), Seen(7, TEAM, NONE)),
        (message("/"), Seen(7, TEAM, NONE)),
        (message("/stop", chat=PRIVATE),
         command("stop", chat=ChatInfo("555", "private", "Ada L."))),
        (message("/stop", sender_chat=GROUP), command("stop", user=0)),
        (message("/stop", sender=ANONYMOUS), command("stop", user=0)),
        (
            message("/chatid", chat=FORUM, is_topic_message=True, message_thread_id=7,
                    reply_to_message={"forum_topic_created": {"name": "db"}}),
            command("chatid", chat=SUPER, topic=Topic("7", "db")),
        ),
        (message("/chatid", chat=FORUM, message_thread_id=7), command("chatid", chat=SUPER)),
        (
            message(chat=FORUM, is_topic_message=True, message_thread_id=8,
                forum_topic_created={"name": "a\nb"}),
            Seen(7, SUPER, Topic("8", "a b")),
        ),
        (message("hello", chat=NEWS, kind="channel_post"), Seen(7, NEWS_CHAT, NONE)),
        (message(migrate_to_chat_id=-1001234567890), Migrated(7, "-5", UPGRADED)),
        (message(chat=FORUM, migrate_from_chat_id=-5), Migrated(7, "-5", SUPER)),
        (message(migrate_to_chat_id=5), Seen(7, TEAM, NONE)),
        (message(migrate_to_chat_id="-1001234567890"), Seen(7, TEAM, NONE)),
        (message(chat=FORUM, migrate_from_chat_id=-1001111111111), Seen(7, SUPER, NONE)),
        (member("member"), Membership(7, TEAM, "member", writes=True)),
        (member("administrator"), Membership(7, TEAM, "administrator", writes=True)),
        (member("administrator", chat=NEWS, can_post_messages=True),
         Membership(7, NEWS_CHAT, "administrator", writes=True)),
        (member("administrator", chat=NEWS),
         Membership(7, NEWS_CHAT, "administrator", writes=False)),
        (member("restricted", is_member=True), Membership(7, TEAM, "restricted", writes=False)),
        (member("restricted", is_member=False, can_send_messages=True),
         Membership(7, TEAM, "left", writes=True)),
        (member("kicked", chat=PRIVATE),
         Membership(7, ChatInfo("555", "private", "Ada L."), "kicked", writes=False)),
        (member("emperor"), Ignored(7, "of an unknown standing")),
        ({"update_id": 7, "poll": {}}, Ignored(7, "of another kind")),
        ({"update_id": 7, "edited_message": message("/stop")["message"]},
         Ignored(7, "of another kind")),
        ({"update_id": 7, "message": None}, Ignored(7, "without a chat")),
        (message("/stop", chat={"id": 5, "type": "group"}), Ignored(7, "without a chat")),
        (message("/stop", chat={"id": -5, "type": "private"}), Ignored(7, "without a chat")),
        (message("/stop", chat={"id": -(2**60), "type": "group"}), Ignored(7, "without a chat")),
        (message("/stop", chat={"id": True, "type": "private"}), Ignored(7, "without a chat")),
        ({"message": {}}, Ignored(0, "without a number")),
        ({"update_id": -1}, Ignored(0, "without a number")),
        ({"update_id": "7"}, Ignored(0, "without a number")),
        (None, Ignored(0, "without a number")),
        ([], Ignored(0, "without a number")),
    ],
)  # fmt: skip
def test_an_update_is_what_the_table_says(value: object, read: Update) -> None:
    assert update(value, "relay_bot") == read
    assert decode(json.dumps(value).encode(), "relay_bot") == read


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_ignored(body: bytes) -> None:
    assert decode(body, "relay_bot") == Ignored(0, "not JSON")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
MANGLED = st.sampled_from(
    [message("/start x", chat=FORUM, is_topic_message=True), member("member")]
)


@given(MANGLED, st.data())
def test_nothing_in_an_update_makes_the_reader_raise(
    value: dict[str, object], data: st.DataObject
) -> None:
    told = json.loads(json.dumps(value))
    inner = told.get("message") or told.get("my_chat_member")
    key = data.draw(st.sampled_from(sorted(inner)))
    inner[key] = data.draw(JSON)
    assert update(told, "relay_bot").id == 7


@given(JSON)
def test_nothing_at_all_makes_the_reader_raise(value: object) -> None:
    assert isinstance(update(value, ""), Ignored | Seen)
    assert isinstance(updates(value, ""), tuple)


def test_a_page_of_updates_keeps_its_order() -> None:
    page = [message("/stop") | {"update_id": number} for number in (3, 1, 2)]
    assert [each.id for each in updates(page, "relay_bot")] == [3, 1, 2]
