"""Telegram: what is written, what Telegram makes of it, and what its answers mean."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.budget import Limit, Limits
from relay.core.card.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
    Moved,
    Outcome,
    RateLimited,
    Rejected,
    ThreadGone,
    Unavailable,
    Unknown,
)
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import Mention, Message
from relay.core.text.richtext import RichText, concat, styled
from relay.platforms import telegram
from relay.platforms.http import Response
from relay.platforms.link import public, spelled
from relay.platforms.telegram.text import Entity, User, whole_address, write, write_plain
from tests.platforms import hostile
from tests.platforms.automatic import found_in
from tests.platforms.specs import faults
from tests.tdjson_judge import Reading, telegram_reads

LANE = LaneKey("telegram", "https://api.telegram.org", "123", "-1001", "7")
ENDPOINT = Endpoint(LANE, Secret("123:token"))
POLICY = Policy("ops", "card.j2", "html")
REF = MessageRef("-1001", "7", "42")
POST, EDIT = Post(silent=False), Edit(REF)


def body(
    step: Step, message: Message, policy: Policy = POLICY, *, plain: bool = False
) -> dict[str, object]:
    """The JSON that is sent."""
    sent: dict[str, object] = json.loads(
        telegram.request(ENDPOINT, policy, step, message, plain=plain).body
    )
    return sent


def refused(
    code: int,
    description: str,
    step: Step | None = POST,
    lane: LaneKey = LANE,
    **parameters: object,
) -> Outcome:
    """The outcome of an error as the Bot API writes it."""
    error = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return telegram.outcome(lane, step, Response(code, {}, json.dumps(error).encode()))


@pytest.mark.parametrize(
    ("code", "description", "step", "ending"),
    [
        (400, "Bad Request: can't parse entities: Unsupported start tag", POST, Rejected),
        (400, "Bad Request: can't parse MessageEntity: no type", POST, Rejected),
        (400, "Bad Request: message is too long", POST, Rejected),
        (400, "Bad Request: MESSAGE_TOO_LONG", EDIT, Rejected),
        (400, "Bad Request: text is too long", POST, Rejected),
        (400, "Bad Request: message text is empty", POST, Rejected),
        (
            400,
            "Bad Request: inline keyboard button URL 'x' is invalid: Wrong HTTP URL",
            POST,
            Rejected,
        ),
        (400, "Bad Request: something new", POST, Rejected),
        (400, "Bad Request: chat not found", POST, ChatDown),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", POST, ChatDown),
        (400, "Bad Request: not enough rights to send text messages to the chat", POST, ChatDown),
        (403, "Forbidden: bot was blocked by the user", POST, ChatDown),
        (403, "Forbidden: user is deactivated", POST, ChatDown),
        (403, "Forbidden: bot was kicked from the supergroup chat", POST, ChatDown),
        (403, "Forbidden: bot is not a member of the channel chat", POST, ChatDown),
        (403, "Forbidden: the group chat was deleted", POST, ChatDown),
        (403, "Forbidden: something new", POST, ChatDown),
        (
            400,
            "Bad Request: message is not modified: specified new message content",
            EDIT,
            Delivered,
        ),
        (400, "Bad Request: message to edit not found", EDIT, MessageGone),
        (400, "Bad Request: message can't be edited", EDIT, MessageGone),
        (
            400,
            "Bad Request: message to be replied not found",
            Reply(REF, "joined", silent=True),
            MessageGone,
        ),
        (400, "Bad Request: message thread not found", POST, ThreadGone),
        (400, "Bad Request: TOPIC_CLOSED", POST, ThreadGone),
        (401, "Unauthorized", POST, BotDown),
        (404, "Not Found: method not found", POST, Rejected),
        (404, "Not Found", POST, BotDown),
        (409, "Conflict: terminated by other getUpdates request", None, Unavailable),
        (421, "RequestRefused Request", POST, BotDown),
        (429, "Too Many Requests: retry after 9", POST, RateLimited),
        (500, "Internal Server Error: restart", POST, Unavailable),
        (502, "Bad Gateway", POST, Unavailable),
    ],
)
def test_each_documented_error_has_its_outcome(
    code: int, description: str, step: Step | None, ending: type
) -> None:
    assert type(refused(code, description, step)) is ending
    assert type(refused(code, description.upper(), step)) is ending


def test_each_bot_has_its_own_connections() -> None:
    """So that calls of one bot that hang leave another's theirs."""
    pools = [
        telegram.request(
            Endpoint(LaneKey("telegram", "https://api.test", bot, "-1"), Secret(f"{bot}:x")),
            POLICY,
            Post(silent=False),
            Message(RichText("x")),
            plain=False,
        ).pool
        for bot in ("1", "2", "1")
    ]
    assert pools[0] == pools[2] != pools[1]


def test_an_error_under_a_status_of_success_is_an_error() -> None:
    raw = json.dumps(
        {"ok": False, "error_code": 403, "description": "Forbidden: bot was kicked"}
    ).encode()
    assert isinstance(telegram.outcome(LANE, POST, Response(200, {}, raw)), ChatDown)
    for vague in (
        b'{"ok":false}',
        b'{"ok":false,"error_code":200}',
        b'{"ok":false,"error_code":"x","description":7}',
    ):
        assert isinstance(telegram.outcome(LANE, POST, Response(200, {}, vague)), Unavailable)


def test_a_gateway_that_heard_nothing_leaves_it_unknown() -> None:
    assert isinstance(telegram.outcome(LANE, POST, Response(504, {}, b"<html>")), Unknown)
    assert isinstance(telegram.outcome(LANE, POST, Response(502, {}, b"<html>")), Unavailable)


def test_a_sent_message_stands_where_it_was_sent() -> None:
    taken = Response(200, {}, b'{"ok":true,"result":{"message_id":43,"chat":{"id":5}}}')
    assert telegram.outcome(LANE, POST, taken) == Delivered(MessageRef("-1001", "7", "43"))
    moved = MessageRef("-1002", "", "9")
    assert telegram.outcome(LANE, Reply(moved, "joined", silent=True), taken) == Delivered(
        MessageRef("-1002", "", "43")
    )
    assert telegram.outcome(
        LANE, EDIT, Response(200, {}, b'{"ok":true,"result":true}')
    ) == Delivered(REF)


@pytest.mark.parametrize(
    "message_id", ["null", "-1", "0", '"x"', "1.5", "true", "[1]", '"1' + "0" * 30 + '"']
)
def test_a_sent_message_without_a_usable_id_is_not_taken_for_delivered(message_id: str) -> None:
    raw = b'{"ok":true,"result":{"message_id":' + message_id.encode() + b"}}"
    assert isinstance(telegram.outcome(LANE, POST, Response(200, {}, raw)), Unknown)


def test_a_group_that_moved_is_followed() -> None:
    upgraded = "Bad Request: group chat was upgraded to a supergroup chat"
    assert refused(400, upgraded, migrate_to_chat_id=-1001234567890) == Moved("-1001234567890")


@pytest.mark.parametrize("to", [None, 5, -5, -1001, "-1001234567890", True, -(2**60), 1e20, [], {}])
def test_a_move_to_what_is_no_supergroup_is_not_believed(to: object) -> None:
    upgraded = "Bad Request: group chat was upgraded to a supergroup chat"
    assert isinstance(refused(400, upgraded, migrate_to_chat_id=to), ChatDown)


def test_only_a_group_can_move_and_only_elsewhere() -> None:
    upgraded = "Bad Request: group chat was upgraded to a supergroup chat"
    person = LaneKey("telegram", LANE.api, "123", "555")
    assert isinstance(
        refused(400, upgraded, lane=person, migrate_to_chat_id=-1001234567890), ChatDown
    )
    same = LaneKey("telegram", LANE.api, "123", "-1001234567890")
    assert isinstance(
        refused(400, upgraded, lane=same, migrate_to_chat_id=-1001234567890), ChatDown
    )
    assert not isinstance(
        refused(400, "Bad Request: chat not found", migrate_to_chat_id=-1001234567890), Moved
    )


def test_an_old_message_of_a_group_that_has_moved_is_gone() -> None:
    upgraded = "Bad Request: group chat was upgraded to a supergroup chat"
    now = LaneKey("telegram", LANE.api, "123", "-1001234567890")
    assert isinstance(
        refused(400, upgraded, EDIT, now, migrate_to_chat_id=-1001234567890), MessageGone
    )


def test_without_a_topic_no_topic_is_gone() -> None:
    main = LaneKey("telegram", LANE.api, "123", "-1001")
    assert isinstance(refused(400, "Bad Request: message thread not found", POST, main), ChatDown)
    assert isinstance(
        refused(400, "Bad Request: message thread not found", EDIT, main), MessageGone
    )


def test_a_limit_names_the_chat_and_the_one_it_moved_to_and_their_bot() -> None:
    limited = refused(429, "Too Many Requests", Edit(MessageRef("-1009", "", "1")), retry_after=3)
    key = "telegram:https://api.telegram.org"
    assert limited == RateLimited(
        3.0, (f"{key}:chat:123:-1001", f"{key}:chat:123:-1009"), f"{key}:bot:123"
    )


def test_a_group_has_a_budget_a_minute_over_all_its_topics() -> None:
    other_topic = Endpoint(LaneKey("telegram", LANE.api, "123", "-1001", "8"), Secret("123:token"))
    prefix = "telegram:https://api.telegram.org"
    assert telegram.budgets(ENDPOINT, Limits()) == (
        Limit(f"{prefix}:bot:123", 27, 1.0),
        Limit(f"{prefix}:chat:123:-1001", 1, 1.1),
        Limit(f"{prefix}:group:123:-1001", 18, 60.0),
    )
    assert telegram.budgets(ENDPOINT, Limits()) == telegram.budgets(other_topic, Limits())
    person = Endpoint(LaneKey("telegram", LANE.api, "123", "555"), Secret("123:token"))
    assert [limit.key for limit in telegram.budgets(person, Limits())] == [
        f"{prefix}:bot:123",
        f"{prefix}:chat:123:555",
    ]


def test_a_post_goes_to_the_topic_and_answers_an_older_message_there() -> None:
    message = Message(styled("bold", "disk"))
    assert body(Post(silent=True, reply_to=REF), message) == {
        "chat_id": -1001,
        "text": "disk",
        "entities": [{"type": "bold", "offset": 0, "length": 4}],
        "link_preview_options": {"is_disabled": True},
        "disable_notification": True,
        "message_thread_id": 7,
        "reply_parameters": {"message_id": 42, "allow_sending_without_reply": True},
    }
    assert "reply_parameters" not in body(
        Post(silent=False, reply_to=MessageRef("-1001", "8", "42")), message
    )
    assert "reply_parameters" not in body(
        Post(silent=False, reply_to=MessageRef("-1009", "7", "42")), message
    )


def test_an_edit_and_a_reply_go_where_the_message_stands() -> None:
    elsewhere = MessageRef("-1009", "", "43")
    assert body(Edit(elsewhere), Message(RichText("x"))) == {
        "chat_id": -1009,
        "message_id": 43,
        "text": "x",
        "link_preview_options": {"is_disabled": True},
    }
    reply = body(Reply(elsewhere, "resolved", silent=False), Message(RichText("x")))
    assert (reply["chat_id"], reply.get("message_thread_id"), reply["reply_parameters"]) == (
        -1009,
        None,
        {"message_id": 43, "allow_sending_without_reply": True},
    )


def test_a_receiver_that_wants_silence_gets_it() -> None:
    assert (
        body(POST, Message(RichText("x")), Policy("ops", "t", "html", silent=True))[
            "disable_notification"
        ]
        is True
    )


def test_whoever_is_to_be_told_is_named_once() -> None:
    ann, bob = Mention("user", "11", "Ann"), Mention("user", "12", "Bob")
    message = Message(
        concat(["see ", styled("mention", "Ann", "user:11")]),
        mentions=(ann, bob, bob, Mention("role", "5", "x")),
    )
    assert body(POST, message)["text"] == "see Ann\nBob"
    assert write(
        concat([styled("mention", "Bob", "user:12"), styled("mention", "all", "role:5")])
    ) == (
        "Boball",
        (Entity("text_mention", 0, 3, user=User(12, is_bot=False, first_name="Bob")),),
    )


def test_plain_has_no_entity_and_still_no_link() -> None:
    sent = body(
        POST, Message(concat([styled("bold", "node-1.example.com"), " is down"])), plain=True
    )
    assert "entities" not in sent
    assert sent["text"] == "node-1.\u2060example.\u2060com is down"


def test_plain_shows_the_addresses_of_links_apart_from_all_else() -> None:
    rich = concat([
        "see ", styled("link", "Runbook", "https://e.org/x"), "/evil ",
        styled("link", "https://e.org/y", "https://e.org/y"), " ",
        styled("link", "inside", "http://prometheus/z"),
    ])  # fmt: skip
    assert write_plain(rich) == "see Runbook: https://e.org/x /\u2060evil https://e.org/y inside"


@pytest.mark.parametrize("blank", ["", " \n", "\u2060", "\x00", "\u200b"])
def test_text_is_never_empty(blank: str) -> None:
    assert body(POST, Message(RichText(blank), title=RichText("Disk")))["text"] == "Disk"
    assert body(POST, Message(RichText(blank)))["text"] == "…"


@pytest.mark.parametrize(
    ("rich", "text", "entities"),
    [
        (styled("heading", "a", "1"), "a", (Entity("bold", 0, 1),)),
        (styled("subtext", "a"), "a", (Entity("italic", 0, 1),)),
        (styled("fold", "a"), "a", (Entity("expandable_blockquote", 0, 1),)),
        (styled("pre", "a", "sh"), "a", (Entity("pre", 0, 1, language="sh"),)),
        (concat(["🔥 ", styled("code", "é🔥")]), "🔥 é🔥", (Entity("code", 3, 3),)),
        (concat(["  ", styled("bold", "a "), "\n"]), "a", (Entity("bold", 0, 1),)),
        (styled("time", "now", "17:Dt"), "now",
         (Entity("date_time", 0, 3, unix_time=17, date_time_format="Dt"),)),
        (styled("time", "now", "17"), "now", (Entity("date_time", 0, 3, unix_time=17),)),
        (styled("link", "Graph", "https://g.example/a b"), "Graph", (Entity("text_link", 0, 5, url="https://g.example/a%20b"),)),
        (styled("link", "a.example", "https://b.example"), "a.example", (Entity("text_link", 0, 9, url="https://b.example"),)),
        (styled("link", "Graph", "http://prom:9090/g"), "Graph (http://prom:9090/g)",
         (Entity("code", 7, 18),)),
        (styled("link", "http://prom:9090", "http://prom:9090/"), "http://prom:9090",
         (Entity("code", 0, 16),)),
        (styled("link", "x", "javascript:alert(1)"), "x", ()),
        (RichText("a.b.com:91, (/var)"), "a.b.com:91, (/var)",
         (Entity("code", 0, 10), Entity("code", 13, 4))),
        (RichText("$USD #tag"), "$USD #tag", (Entity("code", 0, 4), Entity("code", 5, 4))),
        (RichText("a @oncall"), "a @oncall", (Entity("code", 2, 7),)),
        (concat(["tg://a", styled("link", "@", "https://b.example")]), "tg://a@",
            (Entity("code", 0, 6), Entity("text_link", 6, 1, url="https://b.example"))),
        (concat([styled("item", "- "), styled("channel", "x", "5")]), "- x", ()),
        (concat([styled("command", "/mute"), " 2h, no /ban"]), "/mute 2h, no /ban",
         (Entity("code", 13, 4),)),
        (RichText("/var/log 1.2.3 a/b e.g.x $usd #12, 12:04"),
         "/var/log 1.2.3 a/b e.g.x $usd #12, 12:04", ()),
    ],
)  # fmt: skip
def test_each_style_has_its_entity(rich: RichText, text: str, entities: tuple[Entity, ...]) -> None:
    assert write(rich) == (text, entities)


def test_of_too_many_entities_the_fold_stays_so_that_the_message_is_one_screen() -> None:
    lines = [concat([styled("code", f"node-{i}"), "\n"]) for i in range(120)]
    _, entities = write(concat(["head\n", styled("fold", concat(lines))]))
    assert [entity.type for entity in entities if entity.type != "code"] == [
        "expandable_blockquote"
    ]


def test_of_too_many_entities_links_stay_and_bold_goes() -> None:
    lines = [
        concat([styled("bold", f"b{i}"), " ", styled("link", "l", "https://a.example"), "\n"])
        for i in range(80)
    ]
    _, entities = write(concat(lines))
    kinds = [entity.type for entity in entities]
    assert (len(kinds), kinds.count("text_link"), kinds.count("bold")) == (100, 80, 20)


def test_what_has_no_entity_left_is_broken_without_a_trace_for_the_eye() -> None:
    text, entities = write(RichText("\n".join(f"node-{i}.example.com" for i in range(120))))
    assert len(entities) == 100
    assert text.endswith("node-119.\u2060example.\u2060com")
    assert found_in(text, entities) == []


@given(rich=hostile.rich_texts)
def test_telegram_finds_nothing_that_we_did_not_mark(rich: RichText) -> None:
    text, entities = write(rich)
    assert found_in(text, entities) == []
    links = [span.value for span in rich.spans if span.kind == "link"]
    for kind, address in found_in(write_plain(rich)):
        assert kind == "textEntityTypeUrl"
        assert address in [whole_address(spelled(link)) for link in links]


@pytest.mark.parametrize(
    "after", ["\t@", "\x85@", "\x0bx", "\u3000x", "\xa0x", " x", "\nx", "x", ""]
)
def test_in_plain_text_an_address_ends_where_it_ends(after: str) -> None:
    address = "https://a.example/b%29c"
    text = write_plain(concat([styled("link", "run book", address), after]))
    assert found_in(text) == [("textEntityTypeUrl", address)]


@pytest.mark.parametrize(
    "text",
    ["10.0.0.110.0.0.1", "10.0.0.1.ton://~4111111111111111", "/4111111111111111/", "@example.com]"],
)
def test_nor_in_plain_text_where_one_thing_hides_another(text: str) -> None:
    assert found_in(write_plain(RichText(text))) == []


@settings(max_examples=20)
@given(rich=hostile.rich_texts, factor=st.integers(30, 60))
def test_nor_where_entities_run_out(rich: RichText, factor: int) -> None:
    text, entities = write(concat([rich, "\n"] * factor))
    assert len(entities) <= 100
    assert found_in(text, entities) == []


@given(text=hostile.texts)
def test_no_character_is_lost_but_those_that_telegram_drops(text: str) -> None:
    shown = write(RichText(text))[0]
    dropped = str.maketrans(
        {
            **dict.fromkeys("\r\u2060\u202a\u202b\u202c\u202d\u202e\u0333\u030a\u033f"),
            **dict.fromkeys("\u2028\u2029", "\n"),
            "\x00": " ",
            "\ud800": "\ufffd",
        }
    )
    kept = "".join(" " if c < " " and c not in "\n\t\r" else c for c in text).translate(dropped)
    assert shown.replace("\u2060", "").strip() == kept.strip()


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org", "http://example.org:8080/a?b=c#d", "http://prometheus:9090/", "http://localhost/x",
        "http://10.0.0.1/", "http://[::1]:9090/", "https://a-b.c-d.example/",
        "https://EXAMPLE.org/", "http://a.b./x",
        "http://xn--p1ai.xn--p1ai/", "https://пример.рф/", "http://x.internal", "http://a..b/",
        "http://-a.b/", "http://a.b-/",
    ],
)  # fmt: skip
def test_we_link_only_what_telegram_links(address: str) -> None:
    written = spelled(address)
    reading = telegram_reads(f'<a href="{written}">x</a>', "html")
    assert isinstance(reading, Reading)
    assert public(written) <= (len(reading.spans) == 1)


@pytest.mark.specs
def test_the_judge_sees_a_wrong_body() -> None:
    good = telegram.request(ENDPOINT, POLICY, POST, Message(RichText("x")))
    assert faults(good) == []
    mistakes: tuple[dict[str, object], ...] = (
        {"text": ""},
        {"text": "🔥" * 2049},
        {"parse_mode": "HTML"},
        {"disable_web_page_preview": True},
        {"entities": [{"type": "bold", "offset": 0, "length": 9}]},
        {"entities": [{"type": "bold", "offset": 0, "length": 1}] * 101},
        {"reply_parameters": {"allow_sending_without_reply": True}},
        {"link_preview_options": {}},
    )
    for wrong in mistakes:
        raw = json.dumps({**json.loads(good.body), **wrong}).encode()
        assert faults(type(good)(good.verb, good.url, good.name, raw)), wrong


@pytest.mark.parametrize(
    ("description", "left"),
    [
        ("Forbidden: bot was blocked by the user", True),
        ("Forbidden: user is deactivated", True),
        ("Forbidden: bot was kicked from the supergroup chat", True),
        ("Bad Request: chat not found", False),
        ("Forbidden: not enough rights to send text messages to the chat", False),
    ],
)
def test_only_a_chat_that_the_bot_is_out_of_has_left(description: str, *, left: bool) -> None:
    body = {"ok": False, "error_code": 403, "description": description}
    outcome = telegram.outcome(
        ENDPOINT.lane, Post(silent=False), Response(403, {}, json.dumps(body).encode())
    )
    assert isinstance(outcome, ChatDown)
    assert outcome.left is left
