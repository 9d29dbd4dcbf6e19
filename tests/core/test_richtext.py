"""Rich text: building, cutting, nesting, shortening and filling in keep every character and every
style.
"""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.text.richtext import (
    CLOSE,
    OPEN,
    Kind,
    RichText,
    Span,
    address,
    checked,
    clean,
    concat,
    cut,
    join,
    normalise,
    placeholder,
    plain,
    shorten,
    strip,
    styled,
    substitute,
    utf16_length,
    without,
)
from tests.steps import steps

P0, P1, P2 = placeholder(0), placeholder(1), placeholder(2)
URL = "https://example.com/"
FAMILY: dict[Kind, str] = {"pre": "code", "fold": "quote"}
KINDS: tuple[Kind, ...] = ("bold", "italic", "code", "link", "pre", "quote", "fold")


def length(rich: RichText) -> int:
    return len(rich.text)


def units(rich: RichText) -> int:
    return utf16_length(rich.text)


def families(rich: RichText) -> list[set[str]]:
    """The families of the styles over each character."""
    found: list[set[str]] = [set() for _ in rich.text]
    for span in rich.spans:
        for index in range(max(span.start, 0), min(span.end, len(found))):
            found[index].add(FAMILY.get(span.kind, span.kind))
    return found


def nests(spans: Sequence[Span]) -> bool:
    """Whether spans are sorted, none empty, and of two that overlap one contains the other."""
    open_ends: list[int] = []
    for span in spans:
        while open_ends and open_ends[-1] <= span.start:
            open_ends.pop()
        if span.start >= span.end or (open_ends and span.end > open_ends[-1]):
            return False
        open_ends.append(span.end)
    return list(spans) == sorted(spans, key=lambda span: (span.start, -span.end))


PIECES = ("a", "b ", "·", "\n", "é", "e\u0301", "😀", "👩\u200d👧", OPEN, CLOSE, "0", P0, P1)
any_spans = st.lists(
    st.builds(
        Span,
        st.sampled_from(KINDS),
        st.integers(0, 30),
        st.integers(0, 32),
        st.sampled_from(["", URL]),
    ),
    max_size=8,
)


@st.composite
def rich_texts(draw: st.DrawFn) -> RichText:
    """Rich texts whose spans begin and end between pieces, so that no placeholder is half
    styled.
    """
    pieces = draw(st.lists(st.sampled_from(PIECES), max_size=9))
    edges = [0, *accumulate(map(len, pieces))]
    edge = st.sampled_from(edges)
    spans = draw(
        st.lists(st.builds(Span, st.sampled_from(KINDS), edge, edge, st.just(URL)), max_size=6)
    )
    return normalise(RichText("".join(pieces), tuple(spans)))


def test_a_style_lies_around_all_of_its_content() -> None:
    inner = styled("bold", "a")
    assert styled("link", concat([inner, "b"]), URL) == RichText(
        "ab", (Span("link", 0, 2, URL), Span("bold", 0, 1))
    )


def test_nothing_carries_no_style() -> None:
    assert styled("bold", "") == plain("")


def test_parts_stand_one_after_the_other_with_their_styles() -> None:
    parts: list[RichText | str] = [styled("bold", "a"), "b", styled("italic", "cd")]
    assert concat(parts) == RichText("abcd", (Span("bold", 0, 1), Span("italic", 2, 4)))
    assert join(", ", parts) == RichText("a, b, cd", (Span("bold", 0, 1), Span("italic", 6, 8)))
    assert join(", ", []) == plain("")


def test_a_cut_clips_the_spans() -> None:
    rich = RichText("abcdef", (Span("quote", 0, 6), Span("bold", 1, 3), Span("italic", 4, 6)))
    assert cut(rich, 2, 5) == RichText(
        "cde", (Span("quote", 0, 3), Span("bold", 0, 1), Span("italic", 2, 3))
    )
    assert cut(rich, 3, 3) == plain("")


@given(rich_texts(), st.integers(0, 30), st.integers(0, 30))
def test_a_cut_text_is_made_of_its_pieces(rich: RichText, one: int, other: int) -> None:
    start, end = sorted((min(one, len(rich.text)), min(other, len(rich.text))))
    pieces = [cut(rich, 0, start), cut(rich, start, end), cut(rich, end, len(rich.text))]
    assert families(concat(pieces)) == families(rich)
    assert "".join(piece.text for piece in pieces) == rich.text
    assert all(nests(piece.spans) for piece in pieces)


def test_white_space_goes_from_both_ends() -> None:
    assert strip(RichText(" \nab ", (Span("bold", 0, 3), Span("code", 4, 5)))) == RichText(
        "ab", (Span("bold", 0, 1),)
    )
    assert strip(plain(" \n ")) == plain("")


def test_kinds_can_be_left_out() -> None:
    rich = RichText("ab", (Span("time", 0, 2, "5"), Span("bold", 0, 1)))
    assert without(rich, {"time", "mention"}) == RichText("ab", (Span("bold", 0, 1),))


@pytest.mark.parametrize(
    ("text", "units"), [("", 0), ("ab", 2), ("é", 1), ("😀", 2), ("a😀é", 4), ("\ud800", 1)]
)
def test_length_is_counted_in_utf16(text: str, units: int) -> None:
    assert utf16_length(text) == units


NORMAL: list[tuple[str, list[Span], list[Span]]] = [
    ("empty spans go", [Span("bold", 1, 1), Span("bold", 3, 2), Span("bold", 0, 9)], []),
    ("order", [Span("code", 3, 4), Span("bold", 0, 1)], [Span("bold", 0, 1), Span("code", 3, 4)]),
    (
        "the wider first",
        [Span("code", 0, 1), Span("bold", 0, 4)],
        [Span("bold", 0, 4), Span("code", 0, 1)],
    ),
    (
        "overlap is split",
        [Span("bold", 0, 3), Span("italic", 2, 5)],
        [Span("bold", 0, 3), Span("italic", 2, 3), Span("italic", 3, 5)],
    ),
    ("neighbours are one", [Span("bold", 0, 2), Span("bold", 2, 4)], [Span("bold", 0, 4)]),
    (
        "neighbours within neighbours are one",
        [Span("bold", 0, 2), Span("code", 1, 2), Span("bold", 2, 4), Span("code", 2, 3)],
        [Span("bold", 0, 4), Span("code", 1, 3)],
    ),
    (
        "two links stay two",
        [Span("link", 0, 2, "x"), Span("link", 2, 4, "y")],
        [Span("link", 0, 2, "x"), Span("link", 2, 4, "y")],
    ),
    (
        "two quotes stay two",
        [Span("quote", 0, 2), Span("quote", 2, 4)],
        [Span("quote", 0, 2), Span("quote", 2, 4)],
    ),
    (
        "two times stay two",
        [Span("time", 0, 2, "5"), Span("time", 2, 4, "5")],
        [Span("time", 0, 2, "5"), Span("time", 2, 4, "5")],
    ),
    ("a style in itself goes", [Span("bold", 0, 4), Span("bold", 1, 2)], [Span("bold", 0, 4)]),
    (
        "a link in a link goes",
        [Span("link", 0, 4, URL), Span("link", 1, 2, "x")],
        [Span("link", 0, 4, URL)],
    ),
    (
        "a fold in a quote goes",
        [Span("quote", 0, 4), Span("bold", 0, 3), Span("fold", 1, 2)],
        [Span("quote", 0, 4), Span("bold", 0, 3)],
    ),
    (
        "code in a block goes",
        [Span("pre", 0, 4, "py"), Span("code", 0, 4)],
        [Span("pre", 0, 4, "py")],
    ),
]


@pytest.mark.parametrize(
    ("before", "after"), [case[1:] for case in NORMAL], ids=[case[0] for case in NORMAL]
)
def test_spans_are_put_in_order(before: list[Span], after: list[Span]) -> None:
    assert normalise(RichText("abcdef", tuple(before))) == RichText("abcdef", tuple(after))


@given(st.text(max_size=30), any_spans)
def test_in_order_means_nested_and_nothing_lost(text: str, spans: list[Span]) -> None:
    valid = [span for span in spans if span.start < span.end <= len(text)]
    rich = normalise(RichText(text, tuple(spans)))
    assert nests(rich.spans)
    assert families(rich) == families(RichText(text, tuple(valid)))
    assert normalise(rich) == rich


def test_putting_twice_the_spans_in_order_is_twice_the_work() -> None:
    def work(size: int) -> RichText:
        spans = [Span(KINDS[i % 7], i, i + 5 + i % 3) for i in range(size)]
        return normalise(RichText("a" * (size + 9), tuple(spans)))

    assert steps(lambda: work(2000)) < 2.3 * steps(lambda: work(1000))


LINK = concat(["see ", styled("link", "the runbook", URL), " now"])
FAMILY_EMOJI = "👩\u200d👩\u200d👧"
SHORT: list[tuple[str, RichText, int, str]] = [
    ("what fits stays", plain("all of it"), 9, "all of it"),
    ("between words", plain("one two three"), 9, "one two …"),
    ("between lines", plain("one\ntwo three"), 6, "one …"),
    ("in a very long word", plain("x" * 50), 42, "x" * 40 + " …"),
    ("a link goes as a whole", LINK, 12, "see …"),
    ("a link stays as a whole", LINK, 17, "see the runbook …"),
    ("a very long link is cut", styled("link", "x" * 90, URL), 42, "x" * 40 + " …"),
    ("a time goes as a whole", concat(["at ", styled("time", "12:04 UTC", "5")]), 11, "at …"),
    ("a mention goes as a whole", concat(["cc ", styled("mention", "@on call", "role:5")]), 10,
     "cc …"),
    ("no half of an accent", plain("x" * 40 + "e\u0301" + "x" * 9), 43, "x" * 40 + " …"),
    ("no half of a family", plain("x" * 40 + FAMILY_EMOJI + "x" * 9), 44, "x" * 40 + " …"),
    ("no half of a flag", plain("x" * 40 + "🇫🇷" + "x" * 9), 43, "x" * 40 + " …"),
    ("no half of a skin tone", plain("x" * 40 + "👍🏽" + "x" * 9), 43, "x" * 40 + " …"),
    ("no half of a variation", plain("x" * 40 + "❤\ufe0f" + "x" * 9), 43, "x" * 40 + " …"),
    ("the mark alone", plain("word " * 9), 1, "…"),
    ("nothing", plain("word " * 9), 0, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rich", "limit", "text"), [case[1:] for case in SHORT], ids=[case[0] for case in SHORT]
)
def test_a_text_is_shortened_at_a_good_place(rich: RichText, limit: int, text: str) -> None:
    assert shorten(rich, limit, length).text == text


def test_a_shortened_text_keeps_its_styles() -> None:
    rich = concat([styled("bold", "one two three"), " four"])
    assert shorten(rich, 9, length) == RichText("one two …", (Span("bold", 0, 7),))


@given(rich_texts(), st.integers(0, 25))
@pytest.mark.parametrize("measure", [length, units])
def test_a_shortened_text_fits_and_is_the_beginning(
    measure: Callable[[RichText], int], rich: RichText, limit: int
) -> None:
    short = shorten(rich, limit, measure)
    assert measure(short) <= limit
    assert short == rich or rich.text.startswith(short.text.removesuffix("…").removesuffix(" "))
    assert nests(short.spans)


@pytest.mark.parametrize("characters_in_a_unit", [1, 8])
def test_shortening_a_megabyte_looks_at_little_more_than_what_fits(
    characters_in_a_unit: int,
) -> None:
    measured: list[int] = []

    def measure(rich: RichText) -> int:
        measured.append(len(rich.text))
        return -(-utf16_length(rich.text) // characters_in_a_unit)

    spans = tuple(Span("bold", i, i + 2) for i in range(0, 1_000_000, 20))
    fits = 1000 * characters_in_a_unit
    short = shorten(RichText("word and 😀" * 100_000, spans), 1000, measure)
    assert fits - 50 < utf16_length(short.text) <= fits
    assert sum(measured[1:]) < 20 * fits


def test_values_stand_where_their_placeholders_stood() -> None:
    template = RichText(f"a {P0} b {P1}{P2}", (Span("bold", 0, 5), Span("italic", 8, 14)))
    filled = substitute(template, ["<x>", styled("code", "yy"), ""])
    assert filled == RichText(
        "a <x> b yy", (Span("bold", 0, 5), Span("italic", 8, 10), Span("code", 8, 10))
    )


FILLED: list[tuple[str, RichText, Sequence[RichText | str], RichText]] = [
    ("a value is never read as markup", plain(P0), ["<b>*_`[a](b)"], plain("<b>*_`[a](b)")),
    ("a value is never read as a placeholder", plain(P0 + P1), [P1, "b"], plain("\ufffd1\ufffdb")),
    ("twice the same", plain(P0 + P0), ["a"], plain("aa")),
    ("a style of half a placeholder", RichText(P0, (Span("bold", 0, 1),)), ["abc"],
     styled("bold", "abc")),
    ("an empty value leaves no style", styled("bold", P0), [""], plain("")),
    ("the template's style is outside", styled("bold", P0), [styled("code", "a")],
     styled("bold", styled("code", "a"))),
    ("a style in itself goes", styled("bold", P0), [styled("bold", "a")], styled("bold", "a")),
    ("an address is filled in", styled("link", "a", f"{URL}{P0}"), ["x y"],
     styled("link", "a", f"{URL}x%20y")),
    ("a whole address", styled("link", "a", P0), [URL], styled("link", "a", URL)),
    ("an address that leads nowhere", styled("link", "a", P0), ["javascript:alert(1)"], plain("a")),
    ("an address that mentions", styled("link", "a", P0), ["tg://user?id=5"], plain("a")),
    ("an address of nothing", styled("link", "a", P0), [""], plain("a")),
    ("a styled value in an address", styled("link", "a", P0), [styled("bold", URL)],
     styled("link", "a", URL)),
    ("a time", styled("time", P1, f"{P0}:r"), ["1795308726.5", "12:04"],
     styled("time", "12:04", "1795308726:r")),
    ("a time that is none", styled("time", "a", f"{P0}:r"), ["soon"], plain("a")),
    ("a language", styled("pre", "a", P0), ["py"], styled("pre", "a", "py")),
    ("a language that is none", styled("pre", "a", P0), ["p`\ny"], styled("pre", "a")),
    ("halves of placeholders go", plain(f"a{OPEN}b{CLOSE}1{CLOSE}"), [], plain("ab1")),
    ("a value that is not there", plain(f"a{P1}b{OPEN}12345678901{CLOSE}"), ["x"],
     plain("ab12345678901")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("template", "values", "filled"),
    [case[1:] for case in FILLED],
    ids=[case[0] for case in FILLED],
)
def test_filling_in(template: RichText, values: Sequence[RichText | str], filled: RichText) -> None:
    assert substitute(template, values) == filled


@given(rich_texts(), st.lists(rich_texts(), max_size=2))
def test_filling_in_keeps_every_character_and_every_style(
    template: RichText, values: list[RichText]
) -> None:
    filled = substitute(template, values)
    expected: list[tuple[str, set[str]]] = []
    styles = families(template)
    for found in re.finditer(f"{OPEN}([0-9]+){CLOSE}|.", template.text, re.DOTALL):
        around = styles[found.start()]
        if not found[1]:
            expected += [(found[0], around)] if found[0] not in OPEN + CLOSE else []
        elif int(found[1]) < len(values):
            value = values[int(found[1])]
            expected += [
                (c, around | own) for c, own in zip(value.text, families(value), strict=True)
            ]
    assert filled.text == re.sub(
        f"[{OPEN}{CLOSE}]", "\ufffd", "".join(character for character, _ in expected)
    )
    assert nests(filled.spans)
    assert families(filled) == [own for _, own in expected]


def test_filling_in_twice_the_values_is_twice_the_work() -> None:
    def work(size: int) -> RichText:
        spans = tuple(Span("bold", 5 * i, 5 * i + 3) for i in range(size))
        template = RichText("".join(f"{OPEN}{i % 10}{CLOSE}a " for i in range(size)), spans)
        return substitute(template, [styled("code", "value")] * 10)

    assert steps(lambda: work(2000)) < 2.3 * steps(lambda: work(1000))


def test_filling_in_a_megabyte_is_no_more_work_than_a_word() -> None:
    template = styled("bold", f"a {P0} b")
    assert steps(lambda: substitute(template, ["word " * 200_000])) == steps(
        lambda: substitute(template, ["word "])
    )


CLEAN = [
    ("a\r\nb\rc\vd\fe\x85f\u2028g\u2029h", "a\nb\nc\nd\ne\nf\ng\nh"),
    ("a\x00b\x1b[31mc\x7fd\x9b", "ab[31mcd"),
    ("a\tb\nc", "a\tb\nc"),
    ("a\ud83db\udc00", "a\ufffdb\ufffd"),
    ("a\u202eb\u202c \u2067c\u2069", "ab c"),
    ("שלום \u200f👩\u200d👧 e\u0301", "שלום \u200f👩\u200d👧 e\u0301"),
]


@pytest.mark.parametrize(("text", "cleaned"), CLEAN)
def test_a_value_from_outside_is_made_fit_to_show(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


ADDRESSES = [
    ("https://example.com", "https://example.com"),
    ("HTTP://10.0.0.1:9090/graph?g0.expr=a+b&x=(1)#y", "HTTP://10.0.0.1:9090/graph?g0.expr=a+b&x=(1)#y"),
    (" https://example.com/a b\n<c>\"d ", "https://example.com/a%20b%0A%3Cc%3E%22d"),
    ("https://example.com/é", "https://example.com/é"),
    ("https://exa mple.com/", ""),
    ("https:///x", ""),
    ("http:x", ""),
    ("javascript:alert(1)", ""),
    ("ftp://example.com", ""),
    ("tg://user?id=5", ""),
    ("/relative", ""),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "accepted"), ADDRESSES)
def test_only_web_addresses_are_links(text: str, accepted: str) -> None:
    assert address(text) == accepted
    assert checked("link", text) == (accepted or None)


TIMES = [
    ("1795308726", "1795308726"),
    ("1795308726.25:r", "1795308726:r"),
    ("05:wDT", "5:wDT"),
    ("0", None),
    ("-5", None),
    ("2147483648", None),
    ("5:H", None),
    ("5:", None),
    ("soon", None),
]


@pytest.mark.parametrize(("value", "accepted"), TIMES)
def test_only_unix_seconds_are_times(value: str, accepted: str | None) -> None:
    assert checked("time", value) == accepted
