"""Filters as a table: an expression of a template, and what it prints."""

import pytest

from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.template.filters import re_replace_all
from relay.core.template.sandbox import TooCostlyError
from relay.core.text.message import Form
from relay.core.text.richtext import RichText, Span


def _rendered(expression: str, sample_name: str = "one") -> template.Rendered:
    templates, faults = template.compile({"t": f"{{% set it = alerts[0] %}}{{{{ {expression} }}}}"})
    assert faults == ()
    policy = Policy(receiver="ops", template="t", markup="none", timezone="Europe/Paris")
    return template.render(
        templates, policy, sample.VIEWS[sample_name], "card", None, Form(lambda _: 0)
    )


def _printed(expression: str) -> RichText:
    rendered = _rendered(expression)
    assert rendered.failed == ""
    return rendered.message.body


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        # Alertmanager's
        ("'aBc' | toUpper", "ABC"),
        ("'aBc' | toLower", "abc"),
        ("'the disk, full' | title", "The Disk, Full"),
    ("'DiskFull a-b c_d e.f' | title", "Diskfull A-B C_d E.f"),  # as amtool 0.25 renders it
        ("'  a ' | trimSpace ~ '.'", "a."),
        ("stringSlice('a', 'b') | join(', ')", "a, b"),
        ("'db-12' | match('^db-[0-9]+$')", "true"),
        ("'xdb' | match('^db')", "false"),
        ("'db-12:9100' | reReplaceAll('(.*):[0-9]+', '<$1>')", "<db-12>"),
        ("'ab' | reReplaceAll('(?P<x>a)(b)', '${2}${x}$$ $9')", "ba$ "),
        ("'a.b' | reReplaceAll('a.b', '\\\\1')", "\\1"),
        ("it.starts_at | date('2006-01-02 15:04 MST')", "2026-11-22 12:04 CET"),
        ("it.starts_at | tz('America/New_York') | date('15:04 MST')", "06:04 EST"),
        ("it.starts_at | since", "2\u00a0min"),
        ("it.starts_at | since | humanizeDuration", "2m 0s"),
        ("{'b': 1, 'a': ['x']['length' == 'y']} | toJson", '{"a": "x", "b": 1}'),
        ("['a\"', 1, 1.5, true, none] | toJson", '["a\\"", 1, 1.5, true, null]'),
        ("group_labels | toJson",
         '{"alertname": "HighErrorRate", "region": "eu-west-1", "service": "payments"}'),
        ("'https://e.org/a b' | safeUrl", "https://e.org/a%20b"),
        ("'javascript:x' | safeUrl | length", "0"),
        ("'a%2Fb' | urlUnescape", "a/b"),
        ("'a/b c' | urlescape", "a%2Fb%20c"),
        ("'hi?>' | base64encode", "aGk_Pg=="),
        ("'aGk_Pg==' | base64decode", "hi?>"),
        # Prometheus'
        ("1234567 | humanize", "1.235M"),
        ("0.0123 | humanize", "12.3m"),
        ("'NaN' | humanize", "nan"),
        ("0 | humanize", "0"),
        ("-1500 | humanize", "-1.5k"),
        ("1572864 | humanize1024", "1.5Mi"),
        ("0.123 | humanizePercentage", "12.3%"),
        ("93784 | humanizeDuration", "1d 2h 3m 4s"),
        ("3600 | humanizeDuration", "1h 0m 0s"),
        ("0.02 | humanizeDuration", "20ms"),
        ("-90 | humanizeDuration", "-1m 30s"),
        ("59.5 | humanizeDuration", "59.5s"),
        ("0 | humanizeDuration", "0s"),
        ("'1h30m' | parseDuration", "5400"),
        ("1795345440 | humanizeTimestamp", "12:04"),
        # ours and Jinja's
        ("4320 | duration", "1\u00a0h\u00a012\u00a0min"),
        ("it.starts_at | clock", "12:04"),
        ("'a-b' | replace('-', '+')", "a+b"),
        ("2.345 | round(1)", "2.3"),
        ("2.5 | round", "2"),
        ("7 % 4 * 2 + 1", "7"),
        ("'a' + 'b' ~ 1", "ab1"),
        ("'yes' if false", ""),
        ("[3, 1, 2] | sort | join", "123"),
        ("alerts | map(attribute='name') | map('toUpper') | join", "HIGHERRORRATE"),
        ("it.labels.nope | default('none', true)", "none"),
        ("it.labels['nope'] ~ '.'", "."),
        ("it.labels | length", "5"),
        ("'x' in it.labels, 'service' in it.labels", None),
        ("1 / 3", "0.333333333333"),
        ("none ~ true", "true"),
    ],
)  # fmt: skip
def test_expressions(expression: str, printed: str | None) -> None:
    if printed is None:
        assert "cannot be printed" in _rendered(expression).failed
    else:
        rendered = _rendered(f"'[' ~ ({expression}) ~ ']'")
        assert (rendered.message.body.text, rendered.failed) == (f"[{printed}]", "")


def test_styles_pass_through_joining_and_putting_together() -> None:
    assert _printed("['<b>', 'c'] | map('code') | join(' & ') ~ ('!' | bold)") == RichText(
        "<b> & c!", (Span("code", 0, 3), Span("code", 6, 7), Span("bold", 7, 8))
    )
    assert _printed("'a' + ('b' | italic)") == RichText("ab", (Span("italic", 1, 2),))


def test_a_link_that_does_not_work_from_outside_is_text() -> None:
    assert (
        _printed("link('graph', 'https://prometheus.example.org/')").spans[0].value
        == "https://prometheus.example.org/"
    )
    assert _printed("link('graph', 'http://prometheus:9090/')") == RichText("graph")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("'(' | match('(')", "bad regular expression"),
        ("'a' | match('(?=a)')", "bad regular expression"),
        ("'x' | safeHtml", "leave safeHtml out"),
        ("'x' | humanize", "could not convert"),
        ("'5 minutes' | parseDuration", "bad duration"),
        ("alerts", "cannot be printed"),
        ("it", "cannot be printed"),
        ("alerts | toJson", "no JSON form"),
        ("alerts | join(', ', attribute='name')", "write | map(attribute='name')"),
        ("it.starts_at | tz('nowhere')", "unknown time zone"),
    ],
)
def test_wrong_use_says_what_is_wrong(expression: str, why: str) -> None:
    assert why in _rendered(expression).failed


def test_replacing_has_a_bound_on_what_it_finds() -> None:
    assert re_replace_all("a" * 1000, "a", "bc", charge=lambda _: None) == "bc" * 1000
    with pytest.raises(TooCostlyError):
        re_replace_all("a" * 20_000, "a", "", charge=lambda _: None)
