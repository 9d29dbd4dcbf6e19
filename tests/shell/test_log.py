"""The log line: its form, its levels, and what it must never contain."""

import asyncio
import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.event import (
    Accepted,
    Answered,
    Called,
    ChatChanged,
    Event,
    Loaded,
    Noted,
    Settled,
    TemplateFailed,
)
from relay.core.secret import Secret
from relay.operate import log

TOKEN = "123456789:AAcanaryCanaryCanaryCanaryCanary_-x"
HOOK = "https://discord.com/api/webhooks/998877665544332211/canaryCanary_canary-Canary"


def written(
    event: Event, level: log.Level = "debug", form: log.Form = "logfmt", *secrets: Secret
) -> str:
    stream = io.StringIO()
    log.setup(level, form, stream)
    log.hide(secrets)
    log.on_event(event)
    return stream.getvalue()


def noted(value: str) -> Noted:
    return Noted("info", "x", (("value", value),))


def test_a_line_reads_as_alertmanagers_do() -> None:
    line = written(Noted("info", "listening", (("address", "127.0.0.1:9087"),)))
    assert re.fullmatch(
        (
            r'time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=INFO msg="listening" '
            r"address=127\.0\.0\.1:9087\n"
        ),
        line,
    )


def test_json_holds_the_same_fields() -> None:
    line = json.loads(written(Noted("warning", "slow disk", (("seconds", "3"),)), form="json"))
    assert line | {"time": ""} == {"time": "", "level": "WARN", "msg": "slow disk", "seconds": "3"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("line\nlevel=ERROR", r'"line\nlevel=ERROR"'),
        ("\x1b[31m", r'"\u001b[31m"'),
        ("\u2028\u202e", r'"\u2028\u202e"'),
        ("\ud800", r'"\ud800"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("Zürich 東京", '"Zürich 東京"'),
    ],
)
def test_a_value_is_quoted_and_escaped_as_logfmt_needs(value: str, shown: str) -> None:
    assert written(noted(value)).endswith(f' msg="x" value={shown}\n')


@given(st.text(st.characters(), max_size=2000))
def test_whatever_a_value_holds_the_event_is_one_bounded_printable_line(value: str) -> None:
    line = written(noted(value))
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 100 + 10 * log.MAX_VALUE
    logged = json.loads(written(noted(value), form="json"))
    assert len(logged["value"]) <= log.MAX_VALUE


def test_a_long_value_is_cut_and_says_so() -> None:
    assert (
        json.loads(written(noted("x" * 5000), form="json"))["value"]
        == "x" * (log.MAX_VALUE - 1) + "…"
    )
    assert (
        json.loads(written(noted("x" * log.MAX_VALUE), form="json"))["value"] == "x" * log.MAX_VALUE
    )


CALLED = Called("telegram", "ops", "sendMessage", 200, 0.1234567, "", "")


@pytest.mark.parametrize(
    ("event", "level", "rest"),
    [
        (Answered(200, 0.25), "DEBUG", 'msg="webhook answered" code=200 seconds=0.25'),
        (Answered(503, 5.0), "WARN", 'msg="webhook answered" code=503 seconds=5'),
        (
            Answered(404, 0.5, "unknown", "POST", '/alerts/"b"\n', "10.7"),
            "WARN",
            (
                r'msg="webhook answered" code=404 seconds=0.5 why=unknown method=POST '
                r'path="/alerts/\"b\"\n" from=10.7'
            ),
        ),
        (
            Accepted("", "{}:{}", 2, 1, 0, 3, id=12),
            "INFO",
            (
                'msg="alerts accepted" group_key={}:{} firing=2 resolved=1 discarded=0 '
                "deliveries=3 id=12"
            ),
        ),
        (
            CALLED,
            "DEBUG",
            (
                'msg="API request" platform=telegram receiver=ops method=sendMessage '
                "code=200 seconds=0.123457"
            ),
        ),
        (
            Called("discord", "a", "m", 0, 1.0, "other", "timed out"),
            "WARN",
            (
                'msg="API request failed" platform=discord receiver=a method=m code=0 '
                'seconds=1 reason=other why="timed out"'
            ),
        ),
        (
            Settled("telegram", "a", "delivered", 3, (0.25, 0.5), "", "1/7", 12),
            "INFO",
            (
                'msg="deliveries delivered" platform=telegram receiver=a count=3 '
                "delivery=1/7 id=12 seconds=0.5"
            ),
        ),
        (
            Settled("telegram", "a", "merged", 3),
            "DEBUG",
            'msg="deliveries merged" platform=telegram receiver=a count=3',
        ),
        (
            Settled("telegram", "a", "dead", 1, (), "kicked"),
            "WARN",
            'msg="deliveries dead" platform=telegram receiver=a count=1 why=kicked',
        ),
        (
            ChatChanged("telegram", "a", False, "kicked"),
            "ERROR",
            'msg="chat down" platform=telegram receiver=a why=kicked',
        ),
        (
            ChatChanged("telegram", "a", True, ""),
            "INFO",
            'msg="chat up" platform=telegram receiver=a',
        ),
        (
            TemplateFailed("t.j2", "too long"),
            "ERROR",
            'msg="template failed, plain text sent" template=t.j2 why="too long"',
        ),
        (
            Loaded(True, 1.0, 0, "SIGHUP", 2, 3),
            "INFO",
            'msg="configuration loaded" why=SIGHUP receivers=2 chats=3',
        ),
        (
            Loaded(False, 1.0, 2, "HTTP"),
            "ERROR",
            'msg="configuration rejected, the old one stays in force" faults=2 why=HTTP',
        ),
        (Noted("warning", "odd"), "WARN", 'msg="odd"'),
    ],
)
def test_each_event_has_its_level_and_its_fields(event: Event, level: str, rest: str) -> None:
    assert written(event).split(" ", 1)[1] == f"level={level} {rest}\n"


def test_the_level_hides_what_is_below_it() -> None:
    assert written(CALLED, "info") == ""
    assert written(Noted("info", "x"), "warning") == ""
    assert written(Noted("error", "x"), "error") != ""


LEAKS = [
    TOKEN,
    TOKEN.replace(":", "%3A"),
    f"https://api.telegram.org/bot{TOKEN}/sendMessage",
    "https://api.telegram.org/bot1:canary/getMe",
    HOOK,
    HOOK.replace("/api/", "/api/v10/"),
    "http://user:canary@proxy:3128/",
]


@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("before", ["", "x" * (log.MAX_VALUE - 20) + " ", "\n\x00"])
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(
    leak: str, before: str, form: log.Form
) -> None:
    stream = io.StringIO()
    log.setup("debug", form, stream)
    text = f"{before}{leak} failed"
    log.on_event(Noted("error", text, (("why", text),)))
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("aiohttp.client").exception("from a library: %s", text)
    assert "canary" not in stream.getvalue().lower()
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    ("leak", "shown"),
    [
        (
            f"https://api.telegram.org/bot{TOKEN}/sendMessage",
            "https://api.telegram.org/bot<secret>/sendMessage",
        ),
        (HOOK, "https://discord.com/api/webhooks/998877665544332211/<secret>"),
        ("http://user:canary@proxy:3128/", "http://<secret>@proxy:3128/"),
    ],
)
def test_around_a_masked_secret_the_text_stays(leak: str, shown: str) -> None:
    assert json.loads(written(noted(f"to {leak} now"), form="json"))["value"] == f"to {shown} now"


def test_a_known_secret_is_masked_whatever_it_looks_like() -> None:
    assert "hunter2-hunter2" not in written(
        noted("is hunter2-hunter2."), "debug", "logfmt", Secret("hunter2-hunter2")
    )


def test_a_harmless_text_stays_as_it_is() -> None:
    text = "12:30:45 group {}:{alertname=x} at https://grafana.example/d/1 /bottles 10.0.0.1:9090"
    assert json.loads(written(noted(text), form="json"))["value"] == text


def test_an_exception_is_one_line_with_its_place() -> None:
    stream = io.StringIO()
    log.setup("info", "logfmt", stream)
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError:
        logging.getLogger("relay").exception("unexpected")
    assert re.search(
        r'level=ERROR msg="unexpected" error="RuntimeError: two\\nlines" at=test_log.py:\d+\n$',
        stream.getvalue(),
    )


def test_libraries_are_heard_from_warnings_up() -> None:
    stream = io.StringIO()
    log.setup("debug", "logfmt", stream)
    logging.getLogger("aiohttp.access").info("GET /")
    assert stream.getvalue() == ""
    logging.getLogger("asyncio").warning("slow callback")
    assert 'level=WARN msg="slow callback"' in stream.getvalue()


def test_an_event_below_the_level_is_not_made_into_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Event) -> None:
        raise AssertionError

    monkeypatch.setattr(log, "_told", refuse)
    assert written(CALLED, "info") == ""
    with pytest.raises(AssertionError):
        written(CALLED, "debug")


def test_numbers_in_json_are_numbers() -> None:
    line = json.loads(written(Settled("telegram", "a", "delivered", 3, (0.1234567,)), form="json"))
    assert (line["count"], line["seconds"]) == (3, 0.123457)
    line = json.loads(written(Noted("info", "retried", (("card", 7), ("at", "x"))), form="json"))
    assert (line["card"], line["at"]) == (7, "x")


@pytest.mark.parametrize("none", [None, False])
def test_a_record_without_an_exception_is_a_line(none: bool | None) -> None:
    stream = io.StringIO()
    log.setup("info", "logfmt", stream)
    logging.getLogger("asyncio").error("Task was destroyed", exc_info=none)
    assert stream.getvalue().endswith('level=ERROR msg="Task was destroyed"\n')


async def test_the_lines_of_one_round_of_the_loop_are_written_together() -> None:
    class Writes(io.StringIO):
        """Remembers each write."""

        def __init__(self) -> None:
            super().__init__()
            self.writes: list[str] = []

        def write(self, text: str) -> int:
            self.writes.append(text)
            return super().write(text)

    stream = Writes()
    log.setup("info", "logfmt", stream)
    log.on_event(noted("one"))
    log.on_event(noted("two"))
    assert not stream.writes
    await asyncio.sleep(0)
    assert [text.count("\n") for text in stream.writes] == [2]
