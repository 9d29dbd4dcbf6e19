"""The markups: Telegram's own parser judges three of them, tables say what Discord's and the errors
are.
"""

from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.text.markup import MarkupError, MarkupName, parse
from relay.core.text.richtext import Kind, RichText, Span, checked, normalise, placeholder
from tests.steps import steps
from tests.tdjson_judge import Refusal, telegram_reads

P0, P1 = placeholder(0), placeholder(1)
FAMILY: dict[Kind, str] = {"pre": "code", "fold": "quote"}
Styles = list[dict[str, set[tuple[Kind, str]]]]


def styles(text: str, spans: tuple[Span, ...]) -> Styles:
    """For each character, by family of style, which styles lie over it; a language that is none
    does not count.
    """
    found: Styles = [defaultdict(set) for _ in text]
    for span in spans:
        value = checked("pre", span.value) or "" if span.kind == "pre" else span.value
        for index in range(span.start, span.end):
            found[index][FAMILY.get(span.kind, span.kind)].add((span.kind, value))
    return found


def assert_reads_as_telegram(source: str, markup: MarkupName) -> None:
    """Same verdict, same text, same styles; of styles inside their like, which Telegram reports
    too, we keep one.
    """
    theirs = telegram_reads(source, markup)
    if isinstance(theirs, Refusal):
        with pytest.raises(MarkupError) as refusal:
            parse(source, markup)
        if theirs.offset is not None:
            assert len(source[: refusal.value.offset].encode()) == theirs.offset, (
                source,
                theirs.message,
            )
        return
    ours = parse(source, markup)
    assert ours.text == theirs.text
    for our, their in zip(
        styles(ours.text, ours.spans), styles(theirs.text, theirs.spans), strict=True
    ):
        assert our.keys() == their.keys(), source
        for family, kept in our.items():
            assert len(kept) == 1, source
            assert kept <= their[family], source


def spans(rich: RichText) -> list[tuple[str, str, str]]:
    return [(s.kind, rich.text[s.start : s.end], s.value) for s in rich.spans]


HTML = """
<b>a</b><strong>b</strong><i>c</i><em>d</em><u>e</u><ins>f</ins><s>g</s><strike>h</strike><del>i</del>
<tg-spoiler>a</tg-spoiler><span class="tg-spoiler">b</span><span class=TG-spoiler>c</span>
<span>a</span>
<span class="TG-spoiler">a</span>
<span CLASS="tg-spoiler">a</span>
<span class="tg-spoiler" class="x">a</span>
<span class="tg-spoiler" class="tg-x">a</span>
<code>a</code> <pre>b</pre> <code class="language-py">c</code>
<pre><code class="language-py">a</code></pre>
<code class="language-py"><pre>a</pre></code>
<pre><b></b><code class="language-py">a</code></pre>
<pre><code class="language-py"><pre><code class="language-py">a</code></pre></code></pre>
<pre><b><code class="language-py">a</code></b></pre>
<pre> <code class="language-py">a</code></pre>
<pre><code class=language-py>a</code>b</pre>
<pre><code class="python">a</code></pre>
<pre class="language-py">a</pre>
<blockquote>a</blockquote>b<blockquote expandable>c</blockquote>
<blockquote expandable="">a</blockquote><blockquote expandable=1>b</blockquote>
<blockquote EXPANDABLE>c</blockquote>
<blockquote cite>a</blockquote>
<blockquote expandable/>a</blockquote>
<a href="https://example.com/x?y=1&amp;z=2">a</a>
<a href='https://example.com/'>a</a>
<a href = "https://example.com/"title="q">a</a>
<a href="https://example.com/1" href="https://example.com/2">a</a>
<a href=https://example.com/>a</a>
<a href="https://example.com/a b">a</a> <a href="https://exa mple.com/">a</a>
<A HREF="https://example.com/">a</A>
<a>https://example.com/</a> <a>https://<b>example.com/x</b></a>
<a href="ftp://example.com/">a</a><a href="javascript:alert(1)">b</a>
<a href="/relative">c</a><a href=>d</a>
<a href="tg://user?id=5">a</a>
<a href="https://example.com/1">a<a href="https://example.com/2">b</a></a>
<tg-time unix="1795308726" format="r">a</tg-time>
<tg-time unix=1 format=wDT>a</tg-time> <tg-time unix=1 format="">b</tg-time>
<tg-time unix="05">c</tg-time>
<tg-time unix="x">a</tg-time> <tg-time>b</tg-time> <tg-time unix="-5">c</tg-time>
<tg-time unix="2147483648">d</tg-time>
<tg-time unix="5a">a</tg-time><tg-time unix=5.5>b</tg-time>
<tg-time unix="1" format="q">a</tg-time>
<tg-time unix="x" format="q">a</tg-time>
<tg-time unix="1" format="q"></tg-time>
<tg-time unix="1" format="rt">a</tg-time>
<tg-emoji emoji-id="5">a</tg-emoji>
<tg-emoji emoji-id="a">a</tg-emoji>
<tg-emoji emoji-id="0">a</tg-emoji>
<tg-emoji></tg-emoji>
&lt; &gt; &amp; &quot; &#60; &#x3c; &#X3C; &lt&gt
&nbsp; &apos; &copy; &ltx; &LT; &; &#; &#x; &#0; &#1114111; &#00000060; &#xFFFFFFFFFF3c;
&amp;lt; &
<b>&#xd800;</b>
<b>&#xd83d;&#xde00;</b>
<b> a </b> <b></b><i>
</i>
<b><b>a</b>b</b><b>a</b><b>b</b>
<b>a<i>b<u>c<s>d</s></u></i></b>
<b>a</>
<b>a</b ><i>b</i\t>
<b>a</ b>
<b>a</i>
<b><i>a</b></i>
</b>
<b
<
a < b
<b>a
<b>a</b
<b>a</b x>
<br>
<b/>a
<p>a</p>
<!-- a -->
<b bold>a</b><b bold=1>a</b><b é>a</b><b ,a=1>a</b><b <>a</b>
<b a/b>a</b>
<b "a">a</b>
<b =a>b</b>
<b a= />b</b>
<b a="x
<b a=x<b>b</b>
<b a
<b a=
😀<b>😀é</b>😀<i>😀</i>
a<b c>d<😀>
<b>a\x0b</b\x0b>
"""

MARKDOWNV2 = r"""
*a* _b_ __c__ ~d~ ||e|| `f` ```g```
*a
_a__
__a_
___a___
___a_ b__
_a __b__ c_
__a _b_ c__
__a____b__
_a__b_
*_~a~_*
*_a*_
**a**
****
***
|a|
a.
a\. \* \\ \a \é \
a!
![
a#b
a >b
[a](https://example.com/) [b\]](https://example.com/x\)y)
[https://example\.com/]
[a](https://example.com/
[a](ftp://example.com/) [a]() [](https://example.com/) [b]
[a](tg://user?id=5)
[[a](https://example.com/1)](https://example.com/2)
[a [b](https://example.com/1) c](https://example.com/2)
![a](tg://time?unix=1795308726&format=wDT)
![a](tg://time?unix=5) ![*b*](TG:TIME/?format=r&unix=5#x) ![](tg://time?unix=5)
![a](tg://time?unix=x)
![a](tg://time?unix=05)
![a](tg://time?unix=2147483648)
![a](tg://time?unix=5&format=rt)
![](tg://time?unix=x)
![a](https://example.com/)
![a]
![a](tg://time?unix=5
![a](tg://emoji?id=5)
![a](tg://emoji?id=0)
`a_b*c` `a\b` `a\`` `a``b`
`a
```py¶a```
```py a¶b```
```¶a¶```
```¶¶a```
```py```
```a``b```
````a```
`````a`````
``````
```a\```
```a\\```
>a¶>b¶c
>a¶¶>b
>a¶>
>
>¶
>>a¶>>b
>a>b
\>a
 >a
\¶>a
`¶`>a
>a\¶b
a¶>b\>c
**>a¶>b||
**>a¶>b¶**>c||
>a||
>a||¶b
>a||␍¶b
>a||␍
>a||b||
>a||b||||
>a||b
>||a||
>a||||
>||||
>a||␠
>a||¶>b
>*a¶>b*
>*a¶b*
>*a*||
>*a||*
>`a¶b`
>```py¶a¶>b```
*a¶>b*
*>a¶*
*>a*
>[a¶](https://example.com/)
>[a¶>](https://example.com/)
a␍¶>b
␍>a
*a*␍>b
😀*😀é*>
😀*😀é*\> _😀_
😀.
"""

MARKDOWN = r"""
*a* _b_ `c` ```d``` [e](https://example.com/)
a_b
a_b c_d
*a*b*
*a\_b*
*_a_*
\_a \* \` \[ \a \\
\\_a_
** __ ``
```py¶a```
```py a```
```py```
```¶a```
```a
````
```a```b
[a]
[https://example.com/]
[a](https://example.com/
[a](ftp://example.com/)
[a](tg://user?id=5)
[a] (https://example.com/)
[a](https://example.com/)(b)
[](https://example.com/)
[]
[
[a_b](https://example.com/) [a\](https://example.com/)
*a¶b*
>a . ! # <b>&lt;
![a](tg://time?unix=5)
😀_😀é_😀
😀_
"""


def lines(table: str) -> list[str]:
    """The sources of a table, one a line; ¶ stands for a line feed, ␍ for a carriage return, ␠ for
    a space.
    """
    characters = str.maketrans("¶␍␠", "\n\r ")
    return [line.translate(characters) for line in table.strip("\n").split("\n")]


CASES: list[tuple[MarkupName, str]] = [
    *(("html", source) for source in lines(HTML)),
    *(("markdownv2", source) for source in lines(MARKDOWNV2)),
    *(("markdown", source) for source in lines(MARKDOWN)),
]


@pytest.mark.parametrize(("markup", "source"), CASES)
def test_a_source_is_read_as_telegram_reads_it(markup: MarkupName, source: str) -> None:
    assert_reads_as_telegram(source, markup)


TEXT = ("a", "b ", "é", "😀", "\n", "\r", "x-y", "'", ";")
HTML_PIECES = (
    *TEXT,
    *(
        f"<{tag}>"
        for tag in (
            "b",
            "i",
            "u",
            "s",
            "code",
            "pre",
            "blockquote",
            "tg-spoiler",
            "blockquote expandable",
        )
    ),
    *(
        f"</{tag}>"
        for tag in (
            "b",
            "i",
            "u",
            "s",
            "code",
            "pre",
            "blockquote",
            "tg-spoiler",
            "a",
            "tg-time",
            "",
        )
    ),
    '<a href="https://example.com/x">',
    '<code class="language-py">',
    '<tg-time unix="5" format="r">',
    "&lt;",
    "&",
    "&#9731;",
    "<",
    ">",
    "/",
    '"',
)
MARKDOWNV2_PIECES = (
    *TEXT,
    *(
        "*",
        "_",
        "__",
        "~",
        "||",
        "`",
        "```",
        "```py\n",
        "[",
        "]",
        "](https://example.com/x)",
        "![",
        "\n>",
        ">",
    ),
    *(
        "](tg://time?unix=5&format=r)",
        "||\n",
        "||\r\n",
        "**>",
        "\\",
        "\\*",
        "\\\n",
        "\\\r",
        "\\>",
        "(",
        ")",
        "!",
        "=",
    ),
)
MARKDOWN_PIECES = (
    *TEXT,
    *(
        "*",
        "_",
        "`",
        "```",
        "```py\n",
        "```py ",
        "[",
        "]",
        "](https://example.com/x)",
        "](ftp:x)",
        "\\",
        "\\*",
        "(",
        ")",
    ),
)


def soup(pieces: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), max_size=14).map("".join)


@given(soup(HTML_PIECES))
def test_any_heap_of_html_pieces_is_read_as_telegram_reads_it(source: str) -> None:
    assert_reads_as_telegram(source, "html")


@given(soup(MARKDOWNV2_PIECES))
def test_any_heap_of_markdownv2_pieces_is_read_as_telegram_reads_it(source: str) -> None:
    assert_reads_as_telegram(source, "markdownv2")


@given(soup(MARKDOWN_PIECES))
def test_any_heap_of_markdown_pieces_is_read_as_telegram_reads_it(source: str) -> None:
    assert_reads_as_telegram(source, "markdown")


def nested(
    styles_of: tuple[tuple[str, str], ...], leaf: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    """Sources whose styles are well nested."""

    def around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        part = st.builds(
            lambda ends, text: ends[0] + text + ends[1], st.sampled_from(styles_of), inner
        )
        return st.lists(part | leaf, min_size=1, max_size=4).map("".join)

    return st.recursive(leaf, around, max_leaves=12)


HTML_STYLES = (
    *(
        (f"<{tag}>", f"</{tag}>")
        for tag in ("b", "i", "u", "s", "tg-spoiler", "blockquote", "code")
    ),
    ('<a href="https://example.com/x">', "</a>"),
    ('<pre><code class="language-py">', "</code></pre>"),
    ('<tg-time unix="5">', "</tg-time>"),
)
MARKDOWNV2_STYLES = (
    *(("*", "*"), ("_", "_\r"), ("__", "__"), ("~", "~"), ("||", "||")),
    ("[", "](https://example.com/x)"),
    ("![", "](tg://time?unix=5)"),
    ("\n>", "\n\n"),
)


@given(nested(HTML_STYLES, st.sampled_from(("a ", "é", "😀", "\n", "&amp;"))))
def test_nested_html_is_read_as_telegram_reads_it(source: str) -> None:
    assert_reads_as_telegram(source, "html")


@given(nested(MARKDOWNV2_STYLES, st.sampled_from(("a ", "é", "😀", "\\.", "`b`", "```py\nc```"))))
def test_nested_markdownv2_is_read_as_telegram_reads_it(source: str) -> None:
    assert_reads_as_telegram(source, "markdownv2")


REFUSALS: list[tuple[MarkupName, str, int, str]] = [
    ("html", "a < b", 2, "a plain < must be written &lt;"),
    ("html", "a <b", 2, "a tag begins here and does not end: write &lt; for a plain <"),
    ("html", "a<br>b", 1, "Telegram knows no tag <br>: remove it, or write &lt; for a plain <"),
    ("html", "😀<b>a", 1, "<b> is never closed: end it with </b>"),
    ("html", "<b><i>a</b></i>", 7, "expected </i>, got </b>: close the inner tag first"),
    ("html", "a</b>", 1, "a tag ends here and none is open"),
    (
        "html",
        "<a href=https://example.com/>a</a>",
        8,
        'put the value of the attribute in quotes: name="value"',
    ),
    (
        "html",
        '<a href="x>a</a>',
        0,
        "the tag that begins here has a value without its closing quote",
    ),
    (
        "html",
        '<tg-time unix="1" format="H">a</tg-time>',
        0,
        '"H" is not a time format: use r, or letters out of t T d D w W',
    ),
    ("markdownv2", "3.5", 1, "'.' is reserved in MarkdownV2: write '\\.' for the character itself"),
    (
        "markdownv2",
        "😀*a",
        1,
        (
            "the bold that begins here does not end: add *, or write \\ before it "
            "for the character "
            "itself"
        ),
    ),
    ("markdownv2", "[a](b", 4, "the address that begins here does not end: close it with )"),
    (
        "markdownv2",
        "hi![a](b)",
        2,
        (
            "after ![text] an address like (tg://time?unix=1700000000&format=r) is needed: "
            "write \\! "
            "for a plain !"
        ),
    ),
    (
        "markdown",
        "node_exporter",
        4,
        "the italic that begins here does not end: add _, or write \\_ for the character itself",
    ),
]


@pytest.mark.parametrize(("markup", "source", "offset", "message"), REFUSALS)
def test_a_fault_says_where_it_is_and_what_is_right(
    markup: MarkupName, source: str, offset: int, message: str
) -> None:
    with pytest.raises(MarkupError) as refusal:
        parse(source, markup)
    assert (refusal.value.offset, str(refusal.value)) == (offset, message)


WITH_PLACEHOLDERS: list[tuple[MarkupName, str, list[tuple[str, str, str]]]] = [
    ("html", f"<b>{P0}</b>", [("bold", P0, "")]),
    ("html", f"<code>{P0}</code>", [("code", P0, "")]),
    ("html", f'<a href="{P0}">{P1}</a>', [("link", P1, P0)]),
    (
        "html",
        f'<a href="https://example.com/{P0}?q={P1}">a</a>',
        [("link", "a", f"https://example.com/{P0}?q={P1}")],
    ),
    ("html", f"<a href={P0}>a</a>", [("link", "a", P0)]),
    ("html", f"<a>{P0}</a>", [("link", P0, P0)]),
    ("html", f'<tg-time unix="{P0}" format="r">{P1}</tg-time>', [("time", P1, f"{P0}:r")]),
    ("html", f'<pre><code class="language-{P0}">{P1}</code></pre>', [("pre", P1, P0)]),
    ("markdownv2", f"*{P0}*", [("bold", P0, "")]),
    ("markdownv2", f"_{P0}_", [("italic", P0, "")]),
    ("markdownv2", f"`{P0}`", [("code", P0, "")]),
    ("markdownv2", f"```\n{P0}```", [("pre", P0, "")]),
    ("markdownv2", f"[{P1}]({P0})", [("link", P1, P0)]),
    ("markdownv2", f">{P0}\n", [("quote", f"{P0}\n", "")]),
    ("markdownv2", f"![{P1}](tg://time?unix={P0}&format=r)", [("time", P1, f"{P0}:r")]),
    ("markdown", f"*{P0}*", [("bold", P0, "")]),
    ("markdown", f"`{P0}`", [("code", P0, "")]),
    ("markdown", f"[{P1}]({P0})", [("link", P1, P0)]),
    ("discord", f"**{P0}**", [("bold", P0, "")]),
    ("discord", f"_{P0}_", [("italic", P0, "")]),
    ("discord", f"`{P0}`", [("code", P0, "")]),
    ("discord", f"```{P0}\n{P1}```", [("pre", P1, P0)]),
    ("discord", f"[{P1}]({P0})", [("link", P1, P0)]),
    ("discord", f"[a](<https://example.com/{P0}>)", [("link", "a", f"https://example.com/{P0}")]),
    ("discord", f"<t:{P0}:F>", [("time", P0, f"{P0}:WDt")]),
    ("discord", f"> {P0}", [("quote", P0, "")]),
    ("discord", f"### {P0}", [("heading", P0, "3")]),
    ("discord", f"- {P0} <#{P1}>\n{P0}", [("item", "- ", "")]),
]


@pytest.mark.parametrize(("markup", "source", "expected"), WITH_PLACEHOLDERS)
def test_a_placeholder_stands_anywhere(
    markup: MarkupName, source: str, expected: list[tuple[str, str, str]]
) -> None:
    assert spans(parse(source, markup)) == expected


@pytest.mark.parametrize("source", [P0, f"a{P0}{P1}b", f"\\{P0}", f"a {P0}\n{P1}"])
@pytest.mark.parametrize("markup", ["html", "markdownv2", "markdown", "discord", "none"])
def test_a_placeholder_passes_untouched_in_every_markup(markup: MarkupName, source: str) -> None:
    assert parse(source, markup) == RichText(source)


DISCORD: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    ("**a** *b* _c_ __d__ ~~e~~ ||f||", "a b c d e f", [
        ("bold", "a", ""),
        ("italic", "b", ""),
        ("italic", "c", ""),
        ("underline", "d", ""),
        ("strikethrough", "e", ""),
        ("spoiler", "f", ""),
    ]),
    ("***a***", "a", [("bold", "a", ""), ("italic", "a", "")]),
    ("___a___", "a", [("underline", "a", ""), ("italic", "a", "")]),
    ("**a *b* c**", "a b c", [("bold", "a b c", ""), ("italic", "b", "")]),
    ("*a **b** c*", "a b c", [("italic", "a b c", ""), ("bold", "b", "")]),
    ("**a\nb**", "a\nb", [("bold", "a\nb", "")]),
    ("**a *b**", "a *b", [("bold", "a *b", "")]),
    ("node_exporter_up and _a_", "node_exporter_up and a", [("italic", "a", "")]),
    ("* a *b*\n* c", "* a b\n* c", [("item", "* ", ""), ("italic", "b", ""), ("item", "* ", "")]),
    ("a ** b", "a ** b", []),
    ("**a", "**a", []),
    ("****", "****", []),
    (r"\*a\* \_ \\ \a", r"*a* _ \ \a", []),
    ("`a **b** \\` c", "a **b** \\ c", [("code", "a **b** \\", "")]),
    ("``a`b``", "a`b", [("code", "a`b", "")]),
    ("`a", "`a", []),
    ("```py\na\n\nb\n```c", "a\n\nbc", [("pre", "a\n\nb", "py")]),
    ("```a b```", "a b", [("pre", "a b", "")]),
    ("```\n> a\n# b\n```", "> a\n# b", [("pre", "> a\n# b", "")]),
    ("```a", "```a", []),
    ("``````", "``````", []),
    ("> a\n> *b*\nc", "a\nb\nc", [("quote", "a\nb", ""), ("italic", "b", "")]),
    ("> a\n\n> b", "a\n\nb", [("quote", "a", ""), ("quote", "b", "")]),
    ("a\n>>> b\n> c", "a\nb\n> c", [("quote", "b\n> c", "")]),
    ("> # a", "a", [("quote", "a", ""), ("heading", "a", "1")]),
    ("a > b", "a > b", []),
    ("# a **b**\n## c\n### d\n-# e\nf", "a b\nc\nd\ne\nf", [
        ("heading", "a b", "1"),
        ("bold", "b", ""),
        ("heading", "c", "2"),
        ("heading", "d", "3"),
        ("subtext", "e", ""),
    ]),
    ("#a\n#### b", "#a\n#### b", []),
    ("**a\n# b**", "**a\nb**", [("heading", "b**", "1")]),
    ("[a](https://example.com/x_(y))", "a", [("link", "a", "https://example.com/x_(y)")]),
    ("[**a** b](https://example.com/)", "a b",
     [("link", "a b", "https://example.com/"), ("bold", "a", "")]),
    ("[[a](https://example.com/)", "[a", [("link", "a", "https://example.com/")]),
    ("[a](ftp://example.com/) [b](c) [d]", "a b [d]", []),
    ("[a](b c) []()", "[a](b c) []()", []),
    ("<t:1795308726:R>", "2026-11-22 00:52 UTC",
     [("time", "2026-11-22 00:52 UTC", "1795308726:R")]),
    ("<t:5> <t:5:x>", "1970-01-01 00:00 UTC <t:5:x>", [("time", "1970-01-01 00:00 UTC", "5")]),
    ("<@123> <@&4> @everyone <#5>", "<@123> <@&4> @everyone <#5>", [("channel", "<#5>", "5")]),
    ("- a\n  1. b\n-c\n- ", "- a\n  1. b\n-c\n- ", [("item", "- ", ""), ("item", "  1. ", "")]),
    ("> - a\n> - b", "- a\n- b",
     [("quote", "- a\n- b", ""), ("item", "- ", ""), ("item", "- ", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text", "expected"), DISCORD)
def test_discords_markdown_is_read(
    source: str, text: str, expected: list[tuple[str, str, str]]
) -> None:
    rich = parse(source, "discord")
    assert (rich.text, spans(rich)) == (text, expected)


@given(
    soup((*MARKDOWNV2_PIECES, "# ", "-# ", "> ", ">>> ", "**", "***", "<t:5:R>", "~~")) | st.text()
)
def test_discords_markdown_is_never_a_fault(source: str) -> None:
    rich = parse(source, "discord")
    assert rich == normalise(rich)
    assert all(0 <= span.start < span.end <= len(rich.text) for span in rich.spans)


def test_plain_text_has_no_markup() -> None:
    assert parse("<b>*a*</b> [b](https://example.com/)", "none") == RichText(
        "<b>*a*</b> [b](https://example.com/)"
    )


GROWING: list[tuple[MarkupName, str]] = [
    ("html", "<b>a</b>&amp;"),
    ("html", "<a>b"),
    ("html", "&#"),
    ("markdownv2", "*a* \\. "),
    ("markdownv2", "[a*b*"),
    ("markdownv2", ">a||b||\n"),
    ("markdown", "*a* [b](c) \\_"),
    ("discord", "**a *b"),
    ("discord", "[a](b `c "),
    ("discord", "> a\n# b\n```c "),
    ("discord", "***"),
]


@pytest.mark.parametrize(("markup", "piece"), GROWING)
def test_twice_the_source_is_twice_the_work(markup: MarkupName, piece: str) -> None:
    def work(times: int) -> int:
        with suppress(MarkupError):
            parse(piece * times, markup)
        return times

    assert steps(lambda: work(800)) < 2.3 * steps(lambda: work(400))
