"""What every platform file does, whatever the platform: one contract over all of them."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.budget import Limits
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
from relay.core.routing.lane import Endpoint, LaneKey, Platform, Policy
from relay.core.secret import Secret
from relay.core.text.message import Message
from relay.core.text.richtext import RichText, styled, utf16_length
from relay.platforms.answer import ErrorRow, ParsedResponse, row_of
from relay.platforms.http import NoAnswer, Request, Response
from tests.platforms import hostile, toy
from tests.platforms.specs import faults
from tests.platforms.toy.test_toy import ALL

SECRET = "123456:very-secret-token"
POLICY = Policy(
    "ops", "card.j2", "html", username="Alerts", avatar_url="https://example.org/bell.png"
)
ENDPOINTS: dict[Platform, Endpoint] = {
    "telegram": Endpoint(
        LaneKey("telegram", "https://api.telegram.org", "123456", "-1001", "7"), Secret(SECRET)
    ),
    "discord": Endpoint(
        LaneKey("discord", "https://discord.com/api", "99", "", "7"),
        Secret(f"https://discord.com/api/webhooks/99/{SECRET}"),
    ),
}
ENDPOINTS["toy"] = Endpoint(LaneKey("toy", "https://toy.example.org", "", "db"), Secret(SECRET))
OWN_ADDRESSES = {
    "telegram": f"https://api.telegram.org/bot{SECRET}/",
    "discord": f"https://discord.com/api/webhooks/99/{SECRET}",
    "toy": f"https://toy.example.org/{SECRET}/",
}
REF = MessageRef("-1001", "7", "42")
STEPS: tuple[Step, ...] = (
    Post(silent=False),
    Post(silent=True, reply_to=REF),
    Edit(REF),
    Reply(REF, "joined", silent=True),
)
MESSAGE = Message(styled("bold", RichText("disk full")))
AGAIN = (RateLimited, Unavailable, Unknown)

every_platform = pytest.mark.parametrize("name", sorted(ALL))


def wrong(request: Request) -> list[str]:
    """What a judge of the platform finds wrong with a request."""
    if request.name in ("post", "edit"):
        text = json.loads(request.body)["text"]
        return ["too long"] if utf16_length(text) > toy.MOST_UNITS else []
    return faults(request)


def answered(
    name: Platform,
    status: int,
    body: object = b"",
    headers: dict[str, str] | None = None,
    step: Step | None = STEPS[0],
) -> Outcome:
    """The outcome of a response with this status and body (encoded as JSON unless it is bytes)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ALL[name].outcome(ENDPOINTS[name].lane, step, Response(status, headers or {}, raw))


def own_error(status: int, words: str = "no", **more: object) -> dict[str, object]:
    """The error of every platform in one."""
    telegram = {"ok": False, "error_code": status, "description": words}
    return telegram | {"message": words, "code": 0, "error": words} | more


@every_platform
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", own_error(429)])
@pytest.mark.parametrize("step", [None, *STEPS])
def test_a_429_waits_and_a_5xx_is_tried_again(
    name: Platform, body: object, step: Step | None
) -> None:
    assert isinstance(answered(name, 429, body, step=step), RateLimited)
    for status in (500, 502, 503, 504, 520, 599):
        said = own_error(status) if isinstance(body, dict) else body
        assert isinstance(answered(name, status, said, step=step), Unavailable | Unknown), status


REFUSALS = (400, 401, 403, 404, 405, 410, 413, 415, 421, 422, 431, 451)


@every_platform
def test_another_4xx_of_the_platform_is_not_tried_again_as_it_was(name: Platform) -> None:
    for status in REFUSALS:
        own = own_error(status)
        assert not isinstance(answered(name, status, own), (*AGAIN, Delivered, Moved)), status


@every_platform
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>no</html>", b"null", b"[]", {"error": "no"}),
        *({"ok": False}, {"ok": False, "error": "no"}, {"ok": False, "error_code": 403}),
        *({"code": "AccessDenied", "message": "no"}, {"code": 403, "message": "no"}),
        *({"code": None, "message": "no"}, {"id": "123456", "title": "no"}, {"message": "no"}),
    ],
)
@pytest.mark.parametrize("step", [None, *STEPS])
def test_a_4xx_of_a_box_in_between_is_no_verdict(
    name: Platform, body: object, step: Step | None
) -> None:
    """Also where its JSON has some of the platform's own words."""
    if name == "toy" and isinstance(body, dict) and not {"id", "error"}.isdisjoint(body):
        return  # this is how the toy answers
    for status in (*REFUSALS, 407, 408, 499):
        assert isinstance(answered(name, status, body, step=step), Unavailable), status


@every_platform
@pytest.mark.parametrize("status", [200, 204, 301, 302, 0])
def test_an_answer_that_is_not_the_platforms_delivers_nothing(name: Platform, status: int) -> None:
    for body in (b"", b"null", b"[]", b"<html>login</html>", b'"ok"', b"\xff\xfe", b"{" * 100_000):
        assert isinstance(answered(name, status, body), Unavailable | Unknown)


@every_platform
def test_without_an_answer_it_matters_whether_bytes_had_left(name: Platform) -> None:
    lane = ENDPOINTS[name].lane
    assert ALL[name].outcome(lane, STEPS[0], NoAnswer(sent=True, why="timed out")) == Unknown(
        "timed out"
    )
    assert ALL[name].outcome(lane, STEPS[0], NoAnswer(sent=False, why="refused")) == Unavailable(
        "refused"
    )


@every_platform
@pytest.mark.parametrize(
    ("asked", "header", "wait"),
    [
        (7, "", 7.0),
        (2.5, "", 2.5),
        ("12", "", 12.0),
        (0, "", 1.0),
        (-5, "", 1.0),
        (1e300, "", 86400.0),
        (8_000, "", 8_000.0),
        (None, "30", 30.0),
        (None, "0.25", 1.0),
        (None, "Wed, 26 Aug 2026 12:00:40 GMT", 40.0),
        (None, "Wed, 26 Aug 2026 11:00:00 GMT", 1.0),
        (None, "nan", 5.0),
        (None, "inf", 86400.0),
        (None, "soon", 5.0),
        (True, "", 5.0),
        ([9], "", 5.0),
        ({"a": 1}, "9", 9.0),
        ("nan", "", 5.0),
        ("", "8", 8.0),
    ],
)
def test_the_wait_is_what_was_asked_within_reason(
    name: Platform, asked: object, header: str, wait: float
) -> None:
    body = own_error(429, retry_after=asked, parameters={"retry_after": asked})
    headers = {"retry-after": header, "date": "Wed, 26 Aug 2026 12:00:00 GMT"}
    limited = answered(name, 429, body, headers)
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == wait


@every_platform
@pytest.mark.parametrize("asked", ["86400", "Thu, 27 Aug 2026 12:00:00 GMT", "inf"])
def test_a_box_in_between_is_waited_for_an_hour_at_most(name: Platform, asked: str) -> None:
    headers = {"retry-after": asked, "date": "Wed, 26 Aug 2026 12:00:00 GMT"}
    for body in (b"<html>too many</html>", b"", {"detail": "too many", "retry_after": 86400}):
        limited = answered(name, 429, body, headers)
        assert isinstance(limited, RateLimited)
        assert limited.retry_after == 3600.0


@every_platform
def test_what_is_limited_is_a_budget_of_the_lane(name: Platform) -> None:
    endpoint = ENDPOINTS[name]
    keys = {limit.key for limit in ALL[name].budgets(endpoint, Limits())}
    for step in (None, *STEPS):
        for scope in ("", "user", "shared", "global", "odd"):
            limited = answered(
                name,
                429,
                {"ok": False, "message": "slow", "retry_after": 1},
                {"x-ratelimit-scope": scope},
                step,
            )
            assert isinstance(limited, RateLimited)
            assert keys & set(limited.budgets)
            assert limited.whole in {"", *keys}


_keys = st.sampled_from(
    (
        *(
            "ok",
            "result",
            "error_code",
            "description",
            "parameters",
            "retry_after",
            "migrate_to_chat_id",
            "message_id",
        ),
        *("id", "channel_id", "code", "message", "errors", "_errors", "global", "username"),
    )
)
_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.integers(10_000, 51_000),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=6)),
    max_leaves=12,
)


@every_platform
@given(
    status=st.integers(0, 999),
    body=st.one_of(st.binary(max_size=40), _values.map(lambda value: json.dumps(value).encode())),
    headers=st.dictionaries(
        st.sampled_from(
            (
                "retry-after",
                "date",
                "x-ratelimit-scope",
                "x-ratelimit-remaining",
                "x-ratelimit-reset-after",
            )
        ),
        st.text(max_size=30),
    ),
    step=st.sampled_from((None, *STEPS)),
)
def test_no_answer_however_odd_raises(
    name: Platform, status: int, body: bytes, headers: dict[str, str], step: Step | None
) -> None:
    lane = ENDPOINTS[name].lane
    response = Response(status, headers, body)
    outcome = ALL[name].outcome(lane, step, response)
    assert isinstance(outcome, Outcome)
    if isinstance(outcome, RateLimited):
        assert 1.0 <= outcome.retry_after <= 3600.0
    assert all(0.0 < seconds <= 3600.0 for _, seconds in ALL[name].pace(lane, response))


@every_platform
def test_every_row_of_the_table_decides_something(name: Platform) -> None:
    rows = ALL[name].ERRORS
    for row in rows:
        assert any(row_of(rows, answer) is row for answer in _answers_of(row)), row


def _answers_of(row: ErrorRow) -> Iterator[ParsedResponse]:
    """Answers that the row is about."""
    code, words = (row.codes or (0,))[0], (row.words or ("",))[0]
    for status in range(row.statuses[0], min(row.statuses[1], 700) + 1):
        yield ParsedResponse(status, own=True, code=code, description=words)
        yield ParsedResponse(status, own=False, code=code, description=words)


@every_platform
@pytest.mark.parametrize("step", STEPS)
def test_no_secret_shows_in_a_repr_or_in_an_outcome(name: Platform, step: Step) -> None:
    endpoint = ENDPOINTS[name]
    request = ALL[name].request(endpoint, POLICY, step, MESSAGE)
    assert SECRET in request.url.reveal()
    assert SECRET not in repr(request) + repr(endpoint) + request.body.decode()
    page = f"<html>no such page: {request.url.reveal()}</html>".encode()
    said = f"nothing at {request.url.reveal()}"
    own = json.dumps(own_error(404, said)).encode()
    for status in (200, 301, 400, 401, 403, 404, 429, 500, 502):
        assert SECRET not in repr([answered(name, status, body, step=step) for body in (page, own)])
    assert all(SECRET not in limit.key for limit in ALL[name].budgets(endpoint, Limits()))


@every_platform
@pytest.mark.parametrize(
    "odd", ["7/../../x", "//evil.example/x", "@evil.example", "7?x=1", "7", -7, ["7"]]
)
def test_every_call_goes_to_the_address_of_the_configuration_whatever_was_answered(
    name: Platform, odd: object
) -> None:
    endpoint, platform = ENDPOINTS[name], ALL[name]
    told = {
        "ok": True,
        "result": {"message_id": odd, "chat": {"id": odd}},
        "id": odd,
        "channel_id": odd,
    }
    came = answered(name, 200, {**told, "url": "https://evil.example/", "guild_id": odd})
    ref = came.message if isinstance(came, Delivered) else REF
    steps = (*STEPS, Edit(ref), Reply(ref, "joined", silent=True))
    made = [platform.request(endpoint, POLICY, step, MESSAGE) for step in steps]
    for request in (*made, platform.probe(endpoint)):
        address, _, query = request.url.reveal().partition("?")
        assert re.fullmatch(
            re.escape(OWN_ADDRESSES[name]) + r"[A-Za-z]*(/?messages/[0-9]+)?", address
        )
        assert re.fullmatch(r"([a-z_]+=[a-z0-9]+&?)*", query)


@every_platform
def test_only_what_changes_nothing_more_may_be_repeated(name: Platform) -> None:
    made = [ALL[name].request(ENDPOINTS[name], POLICY, step, MESSAGE) for step in STEPS]
    assert [request.repeatable for request in made] == [False, False, True, False]
    probe = ALL[name].probe(ENDPOINTS[name])
    assert probe.repeatable
    assert probe.name in {"getChat", "get_webhook", "list"}


@every_platform
def test_a_probe_that_is_answered_well_says_that_the_chat_is_there(name: Platform) -> None:
    well = {"ok": True, "result": {"id": -1001}, "id": "99", "channel_id": "5", "type": 1}
    assert isinstance(answered(name, 200, well, step=None), Delivered)


@pytest.mark.medium
@every_platform
@given(message=hostile.messages, step=st.sampled_from(STEPS), plain=st.booleans())
@pytest.mark.specs
def test_any_message_makes_a_body_that_the_platform_takes(
    name: Platform, message: Message, step: Step, *, plain: bool
) -> None:
    assert wrong(ALL[name].request(ENDPOINTS[name], POLICY, step, message, plain=plain)) == []


@pytest.mark.medium
@every_platform
@settings(max_examples=10)
@given(
    small=hostile.messages,
    factor=st.integers(20, 200),
    step=st.sampled_from(STEPS),
    plain=st.booleans(),
)
@pytest.mark.specs
def test_a_message_of_any_size_is_made_to_fit(
    name: Platform, small: Message, factor: int, step: Step, *, plain: bool
) -> None:
    platform, message = ALL[name], hostile.enlarged(small, factor)
    assert platform.fits(message) == (platform.excess(message) == 0)
    assert platform.fits(platform.squeeze(message))
    assert wrong(platform.request(ENDPOINTS[name], POLICY, step, message, plain=plain)) == []


@pytest.mark.medium
@every_platform
@given(message=hostile.messages)
def test_a_message_that_fits_is_left_as_it_is(name: Platform, message: Message) -> None:
    platform = ALL[name]
    assert platform.squeeze(message) is message or not platform.fits(message)


def test_every_outcome_is_in_some_table() -> None:
    endings = {row.outcome.split(",")[0] for platform in ALL.values() for row in platform.ERRORS}
    kinds = (
        Delivered,
        RateLimited,
        Unavailable,
        Unknown,
        Moved,
        Rejected,
        MessageGone,
        ThreadGone,
        ChatDown,
        BotDown,
    )
    assert endings == {kind.__name__ for kind in kinds}
