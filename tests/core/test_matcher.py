"""The matcher grammar as tables: what Alertmanager reads, how, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.routing.matcher import Matcher, MatcherError, Op, matches, parse, parse_noting

BOTH_GRAMMARS: list[tuple[str, list[tuple[str, Op, str]]]] = [
    ("", []),
    ("{}", []),
    ("  ", []),
    ("foo=bar", [("foo", "=", "bar")]),
    ('foo="bar"', [("foo", "=", "bar")]),
    ('foo!="bar"', [("foo", "!=", "bar")]),
    ('foo=~"bar.*"', [("foo", "=~", "bar.*")]),
    ("foo!~bar.*", [("foo", "!~", "bar.*")]),
    ('{foo="bar"}', [("foo", "=", "bar")]),
    ('{foo="bar",}', [("foo", "=", "bar")]),
    ('foo = "bar" , dings != "bums" , ', [("foo", "=", "bar"), ("dings", "!=", "bums")]),
    ("foo=bar,dings!=bums", [("foo", "=", "bar"), ("dings", "!=", "bums")]),
    ('foo="bar,quux", job="one"', [("foo", "=", "bar,quux"), ("job", "=", "one")]),
    ('foo="{a}"', [("foo", "=", "{a}")]),
    ('foo=""', [("foo", "=", "")]),
    (r'foo="say \"hi\""', [("foo", "=", 'say "hi"')]),
    (r'foo=~"\\d+"', [("foo", "=~", r"\d+")]),
    (r'foo="a\nb"', [("foo", "=", "a\nb")]),
    ('foo="ünïcode 🙂"', [("foo", "=", "ünïcode 🙂")]),
    ("foo=ünïcode🙂", [("foo", "=", "ünïcode🙂")]),
    ("a:b=c", [("a:b", "=", "c")]),
]

UTF8_ALONE: list[tuple[str, list[tuple[str, Op, str]]]] = [
    (' {foo="bar"} ', [("foo", "=", "bar")]),
    ('"foo"="bar"', [("foo", "=", "bar")]),
    ('"a b"=c', [("a b", "=", "c")]),
    ("k8s.io/name=x", [("k8s.io/name", "=", "x")]),
    ("name-with-dashes=x", [("name-with-dashes", "=", "x")]),
    ("größe=~x", [("größe", "=~", "x")]),
    (r'"a\tb"="\u00fc\U0001f642"', [("a\tb", "=", "ü🙂")]),
    (r'"x"="\xc3\xbc\141\a\b\f\n\r\v\\\""', [("x", "=", 'üa\a\b\f\n\r\v\\"')]),
    ('{"é"="1","f"!~"2",}', [("é", "=", "1"), ("f", "!~", "2")]),
]

CLASSIC_DECIDES: list[tuple[str, list[tuple[str, Op, str]]]] = [
    ("{", []),
    ("}", []),
    ("foo=", [("foo", "=", "")]),
    ("{foo=bar", [("foo", "=", "bar")]),
    ("foo=bar}", [("foo", "=", "bar")]),
    ("{foo=bar}}", [("foo", "=", "bar}")]),
    ("{foo=,bar=}}", [("foo", "=", ""), ("bar", "=", "}")]),
    ("{foo=}b", [("foo", "=", "}b")]),
    ("foo=bar baz", [("foo", "=", "bar baz")]),
    ("foo='bar'", [("foo", "=", "'bar'")]),
    ("foo==bar", [("foo", "=", "=bar")]),
    ("tricky=~~~", [("tricky", "=~", "~~")]),
    (r"trickier==\\=\=\"", [("trickier", "=", r'=\=\="')]),
    (r"foo=a\",b=c", [("foo", "=", 'a"'), ("b", "=", "c")]),
    (r"foo=bar\n", [("foo", "=", "bar\n")]),
    ("foo=bar\\", [("foo", "=", "bar\\")]),
    (r'foo=~"\d+"', [("foo", "=~", r"\d+")]),
    ('foo="a\nb"', [("foo", "=", "a\nb")]),
    # Both grammars read these, differently; the classic meaning counts.
    (r'foo="\t"', [("foo", "=", r"\t")]),
    (r'foo="\u00fc"', [("foo", "=", r"\u00fc")]),
]

REFUSED = [
    ("foo", 3, "expected one of = != =~ !~ after foo"),
    ("=bar", 0, "expected a label name before ="),
    ("5foo", 4, "expected one of = != =~ !~ after 5foo"),
    ("foo!bar", 3, "expected != or !~"),
    ('"foo', 0, "the double quote is not closed"),
    ('foo="bar', 4, "the double quote is not closed"),
    ('foo="bar"x', 9, "expected a comma before x"),
    ('foo=a"b"', 5, 'expected a comma before "b"'),
    ("{,}", 1, "expected a label name before ,"),
    (",", 0, "expected a label name before ,"),
    ("a=b,,c=d", 4, "expected a label name before ,"),
    ('"a"="b"}', 7, "no opening one"),
    ('{"a"="b"', 8, "not closed"),
    ('{"a"="b"} c', 10, "after the closing brace"),
    ('"a"=', 4, "expected a value after ="),
    (r'"a"="\d"', 4, "bad escape"),
    (r'"a"="\xff"', 4, "bad escape"),
    (r'"a"="\400"', 4, "bad escape"),
    (r'"a"="\ud800"', 4, "bad escape"),
    (r'"a"="\U00110000"', 4, "bad escape"),
    ('"a"="b\nc"', 4, "line break"),
    ("é='x'", 2, "double quote"),
    ("é=a~", 3, "expected =~ or !~"),
    ("é=a`b", 3, "must be in double quotes"),
    ("foo=~(", 5, "missing )"),
    ('a="1", foo=~"a**"', 12, "bad repetition operator"),
    ('foo=~"(?=x)"', 5, "without look-around"),
    (r'"é"=~"(a)\\1"', 5, "invalid escape sequence"),
    # A bad expression in text whose escapes only the classic grammar takes.
    (r'foo=~"\d("', 5, "missing )"),
    # To the classic grammar a backslash before a comma escapes the quote behind it.
    (r'foo="\,",b="x"', 4, "bad escape"),
    ('foo="\ud800"', 5, "surrogate"),
]


def read(rows: list[tuple[str, Op, str]]) -> tuple[Matcher, ...]:
    return tuple(Matcher(*row) for row in rows)


@pytest.mark.parametrize(("text", "rows"), BOTH_GRAMMARS + UTF8_ALONE)
def test_text_that_the_utf8_grammar_decides_is_read_without_a_warning(
    text: str, rows: list[tuple[str, Op, str]]
) -> None:
    assert parse_noting(text) == (read(rows), "")


@pytest.mark.parametrize(("text", "rows"), CLASSIC_DECIDES)
def test_text_that_the_classic_grammar_decides_is_read_with_a_better_spelling(
    text: str, rows: list[tuple[str, Op, str]]
) -> None:
    matchers, warning = parse_noting(text)
    assert matchers == parse(text) == read(rows)
    _, _, spelling = warning.partition("; write ")
    assert parse(spelling) == matchers


@pytest.mark.parametrize(("text", "offset", "message"), REFUSED)
def test_what_is_no_matcher_is_refused_at_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(MatcherError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.offset == offset


PRINTED: list[tuple[tuple[str, Op, str], str]] = [
    (("foo", "=", "bar"), 'foo="bar"'),
    (("foo", "=~", '\\d "x"\n'), r'foo=~"\\d \"x\"\n"'),
    (("größe", "!=", "ü"), 'größe!="ü"'),
    (("a b", "!~", "\t🙂\x01\x7f\u2028\U000e0001"), r'"a b"!~"\t🙂\x01\x7f\u2028\U000e0001"'),
    (('q"', "=", "x"), r'"q\""="x"'),
]


@pytest.mark.parametrize(("fields", "text"), PRINTED)
def test_a_matcher_prints_as_alertmanager_prints_it(fields: tuple[str, Op, str], text: str) -> None:
    assert str(Matcher(*fields)) == text


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SOME_OPS: list[Op] = ["=", "!="]


@given(st.lists(st.builds(Matcher, TEXT.filter(bool), st.sampled_from(SOME_OPS), TEXT)))
def test_a_printed_matcher_is_read_back_as_itself(matchers: list[Matcher]) -> None:
    assert parse("{" + ",".join(map(str, matchers)) + "}") == tuple(matchers)


@given(st.text('ab={}!~,\\"é \n') | st.text())
def test_any_text_is_matchers_or_a_matcher_error_within_it(text: str) -> None:
    offset = 0
    try:
        parse(text)
    except MatcherError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


HOLDS: list[tuple[str, dict[str, str], bool]] = [
    ("", {}, True),
    ("a=1", {"a": "1"}, True),
    ("a=1", {"a": "2"}, False),
    ("a=1", {}, False),
    ('a=""', {}, True),
    ('a=""', {"a": ""}, True),
    ("a!=1", {}, True),
    ("a!=1", {"a": "1"}, False),
    ('a=~"b.*"', {"a": "bc"}, True),
    ('a=~"b"', {"a": "abc"}, False),
    ('a=~"b|c"', {"a": "c"}, True),
    ('a=~"b|c"', {"a": "cx"}, False),
    ('a=~".*"', {}, True),
    ('a=~".+"', {}, False),
    ('a!~".+"', {}, True),
    ('a!~"b"', {"a": "b"}, False),
    ('a=~".*"', {"a": "x\ny"}, False),
    ('a=~"(?s).*"', {"a": "x\ny"}, True),
    ('a=~"x"', {"a": "x\n"}, False),
    (r'a=~"\\w"', {"a": "é"}, False),
    (r'a=~"\\d"', {"a": "٣"}, False),
    (r'a=~"\\pL"', {"a": "é"}, True),
    ('a=~"(?i)é"', {"a": "É"}, True),
    ('a=~"."', {"a": "🙂"}, True),
    # The pattern stands between `^(?:` and `)$` as it is.
    ('a=~"b)|(?:c"', {"a": "bxyz"}, True),
    ("a=1,b=2", {"a": "1", "b": "2"}, True),
    ("a=1,b=2", {"a": "1"}, False),
    ('a=~"x+"', {"a": "x" * 5000}, True),
    ('a=~"x+"', {"a": "x" * 5000 + "y"}, False),
]


@pytest.mark.parametrize(("text", "labels", "expected"), HOLDS)
def test_matchers_hold_as_in_alertmanager(
    text: str, labels: dict[str, str], expected: bool
) -> None:
    assert matches(parse(text), labels) is expected


def test_a_hostile_expression_is_matched_in_linear_time() -> None:
    assert not matches(parse('a=~"(a*)*b"'), {"a": "a" * 50_000})
