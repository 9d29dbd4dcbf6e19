"""Discord: what is written, what its apps make of it, and what its answers mean."""

import json
import re

import pytest
from hypothesis import given

from relay.core.budget import Limit, Limits
from relay.core.card.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
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
from relay.core.text.message import Field, Mention, Message
from relay.core.text.richtext import RichText, concat, styled, without
from relay.platforms import discord
from relay.platforms.discord.text import write, write_line, write_plain
from relay.platforms.http import Request, Response
from tests.platforms import hostile
from tests.platforms.discord_reader import read
from tests.platforms.specs import faults

API = "https://discord.com/api"
SECRET = Secret(f"{API}/webhooks/99/token?thread_id=5")
LANE = LaneKey("discord", API, "99", "", "7")
MAIN = LaneKey("discord", API, "99", "")
FORUM = LaneKey("discord", API, "99", "", "name:Alerts")
POLICY = Policy("ops", "card.j2", "discord")
REF = MessageRef("7", "7", "42")
POST, EDIT, REPLY = Post(silent=False), Edit(REF), Reply(REF, "joined", silent=True)
X = Message(RichText("x"))


def request(
    step: Step,
    message: Message = X,
    lane: LaneKey = LANE,
    policy: Policy = POLICY,
    *,
    plain: bool = False,
) -> Request:
    """What is sent."""
    return discord.request(Endpoint(lane, SECRET), policy, step, message, plain=plain)


def body(
    step: Step,
    message: Message = X,
    lane: LaneKey = LANE,
    policy: Policy = POLICY,
    *,
    plain: bool = False,
) -> dict[str, object]:
    """The JSON that is sent."""
    sent: dict[str, object] = json.loads(request(step, message, lane, policy, plain=plain).body)
    return sent


def refused(
    status: int, code: int, step: Step | None = POST, lane: LaneKey = LANE, **more: object
) -> Outcome:
    """The outcome of an error as Discord writes it."""
    raw = json.dumps({"message": "no", "code": code, **more}).encode()
    return discord.outcome(lane, step, Response(status, {}, raw))


@pytest.mark.parametrize(
    ("status", "code", "step", "ending"),
    [
        (400, 50035, POST, Rejected),
        (400, 50006, POST, Rejected),
        (400, 240000, POST, Rejected),
        (400, 40005, POST, Rejected),
        (413, 50045, POST, Rejected),
        (400, 10001, POST, Rejected),
        (400, 220001, POST, ChatDown),
        (400, 220002, POST, ChatDown),
        (400, 220003, POST, ChatDown),
        (400, 50083, POST, ThreadGone),
        (400, 160005, POST, ThreadGone),
        (404, 10003, POST, ThreadGone),
        (401, 50027, POST, BotDown),
        (401, 50014, POST, BotDown),
        (401, 0, POST, BotDown),
        (403, 50001, POST, ChatDown),
        (403, 50013, POST, ChatDown),
        (403, 0, POST, ChatDown),
        (404, 10015, POST, ChatDown),
        (404, 0, POST, ChatDown),
        (404, 10008, EDIT, MessageGone),
        (400, 30046, EDIT, MessageGone),
        (403, 30046, EDIT, MessageGone),
        (429, 0, POST, RateLimited),
        (400, 20016, POST, RateLimited),
        (429, 20028, POST, RateLimited),
        (429, 20029, POST, RateLimited),
        (403, 40333, POST, Unavailable),
        (500, 0, POST, Unavailable),
        (503, 130000, POST, Unavailable),
    ],
)
def test_each_documented_error_has_its_outcome(
    status: int, code: int, step: Step, ending: type
) -> None:
    assert type(refused(status, code, step)) is ending


def test_only_the_codes_of_discord_end_a_webhook_for_good() -> None:
    gone, unnamed = refused(404, 10015), refused(404, 0)
    assert isinstance(gone, ChatDown)
    assert gone.forever
    assert isinstance(unnamed, ChatDown)
    assert not unnamed.forever
    for foreign in (b"<html>", b'{"message":"no Route matched with those values"}', b"{}"):
        strange = discord.outcome(LANE, POST, Response(404, {}, foreign))
        assert isinstance(strange, Unavailable)
    token, other = refused(401, 50027), refused(401, 0)
    assert isinstance(token, BotDown)
    assert token.forever
    assert isinstance(other, BotDown)
    assert not other.forever


def test_what_a_missing_thread_means_depends_on_where_the_lane_stands() -> None:
    assert isinstance(refused(404, 10003, POST, LANE), ThreadGone)
    assert isinstance(refused(404, 10003, POST, MAIN), ChatDown)
    assert isinstance(refused(404, 10003, EDIT, MAIN), MessageGone)
    assert isinstance(refused(404, 10003, EDIT, FORUM), MessageGone)
    assert isinstance(refused(404, 10003, POST, FORUM), ChatDown)


def test_what_is_wrong_with_a_body_is_named_by_its_place() -> None:
    errors = {
        "embeds": {
            "0": {"title": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "long"}]}}
        }
    }
    rejected = refused(400, 50035, errors=errors)
    assert isinstance(rejected, Rejected)
    assert "embeds.0.title BASE_TYPE_MAX_LENGTH" in rejected.why


def test_a_sent_message_stands_in_the_channel_or_thread_that_took_it() -> None:
    taken = Response(200, {}, b'{"id":"43","channel_id":"7"}')
    assert discord.outcome(LANE, POST, taken) == Delivered(MessageRef("7", "7", "43"))
    assert discord.outcome(MAIN, POST, taken) == Delivered(MessageRef("7", "", "43"))
    assert discord.outcome(FORUM, POST, taken) == Delivered(MessageRef("7", "7", "43"))
    assert discord.outcome(FORUM, REPLY, taken) == Delivered(MessageRef("7", "7", "43"))
    assert discord.outcome(LANE, EDIT, taken) == Delivered(REF)
    for odd in (
        b"",
        b'{"id":"43"}',
        b'{"id":"-43","channel_id":"7"}',
        b'{"id":"4/3","channel_id":"7"}',
    ):
        assert isinstance(discord.outcome(LANE, POST, Response(200, {}, odd)), Unknown)


WEBHOOK, CHANNEL, SEEN, ADDRESS = (
    f"discord:{API}:webhook:99",
    f"discord:{API}:channel:99",
    f"discord:{API}:channel:7",
    f"discord:{API}:address",
)


@pytest.mark.parametrize(
    ("raw", "headers", "keys"),
    [
        (
            {"message": "m", "retry_after": 2, "global": False},
            {"x-ratelimit-scope": "user"},
            (WEBHOOK,),
        ),
        (
            {"message": "m", "retry_after": 2, "global": False},
            {"x-ratelimit-remaining": "0"},
            (WEBHOOK,),
        ),
        (
            {"message": "m", "retry_after": 2},
            {"x-ratelimit-remaining": "3"},
            (WEBHOOK, CHANNEL, SEEN),
        ),
        (
            {"message": "m", "retry_after": 2},
            {"x-ratelimit-scope": "shared"},
            (WEBHOOK, CHANNEL, SEEN),
        ),
        ({"message": "m", "retry_after": 2, "code": 20016}, {}, (WEBHOOK, CHANNEL, SEEN)),
        ({"message": "m", "retry_after": 2, "global": True}, {}, (ADDRESS,)),
        ({"message": "m", "retry_after": 2}, {"x-ratelimit-scope": "global"}, (ADDRESS,)),
        ("error 1015", {}, (ADDRESS,)),
    ],
)
def test_a_limit_names_what_must_rest(
    raw: object, headers: dict[str, str], keys: tuple[str, ...]
) -> None:
    limited = discord.outcome(LANE, EDIT, Response(429, headers, json.dumps(raw).encode()))
    assert isinstance(limited, RateLimited)
    assert limited.budgets == keys


def test_a_lane_takes_from_its_webhook_its_channel_and_our_address() -> None:
    endpoint = Endpoint(LANE, SECRET)
    webhook, address = Limit(WEBHOOK, 5, 2.2), Limit(ADDRESS, 45, 1.0)
    assert discord.budgets(endpoint, Limits()) == (webhook, Limit(CHANNEL, 27, 60.0), address)
    assert discord.budgets(endpoint, Limits(), "7") == (webhook, Limit(SEEN, 27, 60.0), address)


@pytest.mark.parametrize(
    ("remaining", "after", "rests"),
    [
        ("0", "1.5", 1.5),
        ("0", "99999", 86400.0),
        ("1", "1.5", None),
        ("0", "0", None),
        ("0", "-1", None),
        ("0", "nan", None),
        ("0", "x", None),
        ("", "1.5", None),
    ],
)
def test_a_webhook_rests_when_nothing_remains(
    remaining: str, after: str, rests: float | None
) -> None:
    response = Response(
        200, {"x-ratelimit-remaining": remaining, "x-ratelimit-reset-after": after}, b""
    )
    assert discord.pace(LANE, response) == (() if rests is None else ((WEBHOOK, rests),))
    assert discord.pace(LANE, Response(200, {}, b"")) == ()


def test_each_step_has_its_address() -> None:
    base = f"{API}/webhooks/99/token"
    assert (request(POST).verb, request(POST).url.reveal()) == (
        "POST",
        f"{base}?wait=true&thread_id=7",
    )
    assert request(POST, lane=MAIN).url.reveal() == f"{base}?wait=true"
    assert request(POST, lane=FORUM).url.reveal() == f"{base}?wait=true"
    assert body(POST, lane=FORUM)["thread_name"] == "Alerts"
    assert (request(EDIT).verb, request(EDIT).url.reveal()) == (
        "PATCH",
        f"{base}/messages/42?thread_id=7",
    )
    assert request(Edit(MessageRef("3", "", "42"))).url.reveal() == f"{base}/messages/42"
    assert request(REPLY, lane=FORUM).url.reveal() == f"{base}?wait=true&thread_id=7"
    assert "thread_name" not in body(REPLY, lane=FORUM)
    assert discord.probe(Endpoint(LANE, SECRET)).url.reveal() == base
    assert discord.probe(Endpoint(LANE, SECRET)).verb == "GET"


def test_every_call_says_who_calls_as_discord_wants_it() -> None:
    for sent in (request(POST), request(EDIT), discord.probe(Endpoint(LANE, SECRET))):
        assert re.fullmatch(
            r"DiscordBot \(https://\S+, [0-9.]+\)", dict(sent.headers)["User-Agent"]
        )


def test_a_card_is_an_embed_and_an_edit_replaces_all_of_it() -> None:
    card = Message(
        body=styled("bold", "a_b"),
        title=RichText("disk_full"),
        title_url="https://alerts.example.org/a b",
        fields=(Field(RichText("n"), RichText(""), inline=False),),
        footer=RichText("ops_team"),
        color=0xFF0000,
        timestamp=1_795_000_000.0,
    )
    embed = {
        "title": "disk_full",
        "url": "https://alerts.example.org/a%20b",
        "description": "**a_b**",
        "fields": [{"name": "n", "value": "\u200b", "inline": False}],
        "footer": {"text": "ops_team"},
        "color": 0xFF0000,
        "timestamp": "2026-11-18T11:06:40+00:00",
    }
    nobody: dict[str, list[str]] = {"users": [], "roles": [], "parse": []}
    assert body(POST, card) == {"allowed_mentions": nobody, "embeds": [embed]}
    assert body(EDIT, card) == {"allowed_mentions": nobody, "content": "", "embeds": [embed]}
    assert body(EDIT, Message(RichText(""), content=RichText("c"))) == {
        "allowed_mentions": nobody,
        "content": "c",
        "embeds": [],
    }


def test_a_reply_is_a_line_of_content_and_so_is_what_was_rejected() -> None:
    assert body(REPLY, Message(styled("bold", "3 firing"))) == {
        "allowed_mentions": {"users": [], "roles": [], "parse": []},
        "content": "**3 firing**",
        "flags": 4096,
    }
    card = Message(
        styled("bold", "b"),
        title=RichText("t"),
        footer=RichText("f"),
        fields=(Field(RichText("n"), RichText("v")),),
    )
    assert body(POST, card, plain=True)["content"] == "t\nb\nn\nv\nf"
    assert body(EDIT, card, plain=True)["embeds"] == []
    long = body(REPLY, Message(RichText("word " * 700)))
    assert "embeds" in long
    assert "content" not in long


@pytest.mark.parametrize("step", [POST, EDIT, REPLY])
def test_only_whom_the_configuration_names_is_told(step: Step) -> None:
    told = (Mention("user", "11", "ann"), Mention("role", "5", "dba"), Mention("user", "11", "ann"))
    sent = body(step, Message(RichText("<@12> @everyone"), mentions=told))
    assert sent["allowed_mentions"] == {"users": ["11"], "roles": ["5"], "parse": []}
    assert str(sent["content"]).startswith("<@11> <@&5>")
    named = Message(
        RichText("x"),
        content=concat(["see ", styled("mention", "@ann", "user:11")]),
        mentions=told[:1],
    )
    assert body(POST, named)["content"] == "see <@11>"


def test_a_name_that_discord_forbids_is_left_out() -> None:
    for name, sent in (
        ("Alerts", "Alerts"),
        ("My Discord", None),
        ("CLYDE", None),
        ("", None),
        ("a" * 99, "a" * 80),
    ):
        assert (
            body(POST, policy=Policy("ops", "t", "discord", username=name)).get("username") == sent
        )
    picture = Policy("ops", "t", "discord", avatar_url="https://example.org/a.png", silent=True)
    assert (body(POST, policy=picture)["avatar_url"], body(POST, policy=picture)["flags"]) == (
        "https://example.org/a.png",
        4096,
    )


@pytest.mark.parametrize(
    ("rich", "text"),
    [
        (styled("bold", styled("italic", "a")), "**\u200b*a*\u200b**"),
        (concat([styled("bold", "a"), styled("italic", "b")]), "**a**\u200b*b*"),
        (concat(["x", styled("bold", " a "), "y"]), "x **a** y"),
        (styled("bold", "a\nb"), "**a**\n**b**"),
        (styled("underline", "a_b"), "__a_b__"),
        (styled("strikethrough", "a~b"), "~~a\\~b~~"),
        (styled("spoiler", "a|b"), "||a\\|b||"),
        (styled("code", "a`b"), "``a`b``"),
        (styled("code", "`a``b"), "`` `\u200ba`\u200b`\u200bb``"),
        (styled("code", "a``b"), "`a``b`"),
        (concat(["x", styled("pre", "a\n```b", "sh"), "y"]), "x\n```sh\na\n`\u200b``b\n```\ny"),
        (concat(["x\n", styled("pre", "a"), "\ny"]), "x\n```\na\n```\ny"),
        (styled("quote", "a\n\nb"), "> a\n> \n> b"),
        (concat([styled("fold", "a"), "\nb"]), "> a\nb"),
        (styled("quote", styled("pre", "a")), "> ```\n> a\n> ```"),
        (concat([styled("heading", "a", "2"), "\n", styled("subtext", "b")]), "## a\n-# b"),
        (RichText("worker_3 _a_ b_ __c a__b é_é"), "worker_3 \\_a\\_ b\\_ \\_\\_c a\\_\\_b é\\_é"),
        (concat(["a", styled("bold", "_b"), "_c"]), "a**\\_b**\\_c"),
        (concat([styled("item", "- "), "- a\n", styled("item", "  1. "), "b\n* c"]),
         "- - a\n  1. b\n\\* c"),
        (concat(["x ", styled("item", "- "), "y"]), "x - y"),
        (styled("item", "* <@1>"), "\\* \\<@1>"),
        (styled("channel", "<#12>", "12"), "<#12>"),
        (styled("channel", "<#12>", "12> @everyone"), "\\<#12>"),
        (styled("link", "a]b", "https://e.org/x)y z"), "[a\\]b](<https://e.org/x%29y%20z>)"),
        (styled("link", "https://e.org/x", "https://e.org/x"), "<https://e.org/x>"),
        (styled("link", "a", "javascript:x"), "a"),
        (styled("time", "12:04", "17:r"), "<t:17:R>"),
        (styled("time", "12:04", "17:wDt"), "<t:17:F>"),
        (styled("time", "12:04", "17:Dt"), "<t:17:f>"),
        (styled("time", "12:04", "17"), "<t:17>"),
        (concat([styled("mention", "@a", "user:1"), styled("mention", "@b", "role:2")]),
         "<@1><@&2>"),
        (RichText("a_b *x* [a](https://b.c) <@1> @here"),
         "a_b \\*x\\* \\[a\\](https\\://b.c) \\<@1> \\@here"),
        (RichText("- a\n+ b\n12. c\n# d\n> e\n-# f\na-b 1.5"),
         "\\- a\n\\+ b\n12\\. c\n\\# d\n\\> e\n\\-# f\na-b 1.5"),
        (RichText("12:04:30 :fire: a: b"), "12\\:04:30 \\:fire: a: b"),
        (RichText("x < 5 && y > 3"), "x < 5 && y > 3"),
    ],
)  # fmt: skip
def test_each_style_has_its_markdown(rich: RichText, text: str) -> None:
    assert write(rich) == text


def test_titles_are_one_line_without_links_and_footers_have_no_markup() -> None:
    rich = concat([styled("link", "a_b", "https://e.org"), "\n", styled("heading", "c", "1")])
    assert write_line(rich) == "a_b c"
    assert write_plain(rich) == "a_b\nc"


@given(text=hostile.texts)
def test_text_is_read_as_it_is(text: str) -> None:
    """No character lost, and nothing of it taken for markup, a mention, an emoji or a link."""
    known = text.replace("\ud800", "\ufffd").replace("\u200b", "")
    reading = read(write(RichText(text)))
    assert _squashed(reading.text) == _squashed(known)
    assert reading.found == frozenset()
    title = read(write_line(RichText(text)))
    assert (_squashed(title.text), title.found) == (_squashed(known), frozenset())


@given(rich=hostile.rich_texts)
def test_styles_change_no_text_and_only_styles_asked_for_are_seen(rich: RichText) -> None:
    rich = without(rich, {"link"})
    reading = read(write(rich))
    asked = {"quote" if span.kind == "fold" else span.kind for span in rich.spans}
    assert _squashed(reading.text) == _squashed(
        rich.text.replace("\ud800", "\ufffd").replace("\u200b", "")
    )
    assert reading.found <= asked


def _squashed(text: str) -> str:
    """Without white space: a style may move it, and a block adds a line's end."""
    return re.sub(r"\s+", "", text)


@pytest.mark.specs
def test_the_judge_sees_a_wrong_body() -> None:
    good = request(POST, Message(RichText("x"), content=RichText("c")), MAIN)
    assert faults(good) == []
    mistakes: tuple[dict[str, object], ...] = (
        {"content": "x" * 2001},
        {"content": "🔥" * 1001},
        {"content": "", "embeds": []},
        {"embeds": [{"title": "t"}] * 11},
        {"embeds": [{"description": "x" * 3001}] * 2},
        {"embeds": [{"fields": [{"name": "n"}]}]},
        {"embeds": [{"title": "t", "timestamp": "yesterday"}]},
        {"embeds": [{"title": "t", "url": "not an address"}]},
        {"allow_mentions": {}},
        {"username": "discord"},
        {"allowed_mentions": {"parse": ["users"]}},
    )
    for wrong in mistakes:
        raw = json.dumps({**json.loads(good.body), **wrong}).encode()
        assert faults(Request(good.verb, good.url, good.name, raw)), wrong
