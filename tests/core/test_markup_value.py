"""Markup within a value: what the filter `markup` reads, and what no value can make of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.core.routing.lane import LinkRewrite, Policy
from relay.core.template import sample, template
from relay.core.template.links import followed
from relay.core.text.markup_value import MOST_READ, read_html, read_markdown
from relay.core.text.richtext import RichText
from relay.platforms import discord, telegram
from relay.platforms.discord.text import write as write_discord
from relay.platforms.telegram.text import write
from tests.messages_of import TEMPLATES
from tests.platforms import hostile
from tests.platforms.automatic import found_in
from tests.platforms.discord_reader import read


def _shown(rich: RichText) -> str:
    """The text with each style written as `kind(text)`, links with their address behind."""
    events = [(span.start, 1, order, f"{span.kind}(") for order, span in enumerate(rich.spans)]
    events += [
        (span.end, 0, -order, f"){span.value and f'->{span.value}'}")
        for order, span in enumerate(rich.spans)
    ]
    pieces, position = "", 0
    for offset, _, _, sign in sorted(events):
        pieces += rich.text[position:offset] + sign
        position = offset
    return pieces + rich.text[position:]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Disk <b>full</b>", "Disk bold(full)"),
        ("<strong>a</strong> <em>b</em> <I>c</I>", "bold(a) italic(b) italic(c)"),
        ("Free: 3 %<br/>Host: <code>db-1</code><br>x", "Free: 3 %\nHost: code(db-1)\nx"),
        ("<pre>a\nb</pre>", "pre(a\nb)"),
        ('See <a href="https://wiki.example/d?a=1&amp;b=2">the wiki</a>',
         "See link(the wiki)->https://wiki.example/d?a=1&b=2"),
        ("<a href='https://e.org/'>a <b>b</b></a>", "link(a bold(b))->https://e.org/"),
        ("3 &lt; 4 &amp; 5 &#62; 4", "3 < 4 & 5 > 4"),
        ("a&#x202e;b&#1;c&#13;d", "abc\nd"),
        # what is not of the subset, or has no end, stays
        ("a < b and <script>x</script>", "a < b and <script>x</script>"),
        ("<b>open <i>both", "<b>open <i>both"),
        ("<b>a <i>b</b> c</i>", "bold(a <i>b) c</i>"),
        ("</b>x</b>", "</b>x</b>"),
        ('<b onclick="x">a</b>', '<b onclick="x">a</b>'),
        ("<a>x</a> <a name='y'>z</a>", "<a>x</a> <a name='y'>z</a>"),
        ("<boot>x</boot>", "<boot>x</boot>"),
        ("**a** and [b](https://e.org)", "**a** and [b](link(https://e.org)->https://e.org)"),
    ],
)  # fmt: skip
def test_html_of_a_value_is_read_as_far_as_the_subset_goes(value: str, shown: str) -> None:
    assert _shown(followed(read_html(value))) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("**call** *DBA* and _QA_ __now__", "bold(call) italic(DBA) and italic(QA) bold(now)"),
        ("see [runbook](https://rb.example/disk)", "see link(runbook)->https://rb.example/disk"),
        ("[a **b**](<https://rb.example/(x)>)", "link(a bold(b))->https://rb.example/(x)"),
        ("run `rm -r *x*` or\n```sh\nls **\n```", "run code(rm -r *x*) or\npre(ls **)"),
        (r"2 \* 3 \*\*", "2 * 3 **"),
        ("http_requests_total 2*3*4 a ** b", "http_requests_total 2*3*4 a ** b"),
        ("a_b c_ d*e f* x", "a_b c_ d*e f* x"),
        ("*open and [no](", "*open and [no]("),
        ("# head\n> quote\n- item", "# head\n> quote\n- item"),
        ("<b>x</b> ||s|| ~~t~~ <t:1> <@1>", "<b>x</b> ||s|| ~~t~~ <t:1> <@1>"),
    ],
)
def test_markdown_of_a_value_is_read_as_far_as_the_subset_goes(value: str, shown: str) -> None:
    assert _shown(followed(read_markdown(value))) == shown


INSIDE = (
    "http://prometheus:9090/graph",
    "http://127.0.0.1/",
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "&#106;avascript:alert(1)",
    "tg://user?id=1",
    "//e.org",
    "http://",
    "data:text/html,x",
    "mailto:a@b.com",
    "https://e.org\u202e/",
    "ftp://e.org/",
)


@pytest.mark.parametrize("address", INSIDE)
def test_no_value_makes_a_link_outside_the_link_policy(address: str) -> None:
    for rich in (read_html(f'<a href="{address}">go</a>'), read_markdown(f"[go]({address})")):
        links = [span.value for span in followed(rich).spans if span.kind == "link"]
        assert links in ([], ["https://e.org/"])


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("https://bank.example.com/login", False),
        ("bank.example.com", False),
        ("www.bank.example.com/", False),
        ("user@bank.example.com/", False),
        ("https://evil.example/other", True),
        ("EVIL.example", True),
        ("the bank, bank.example.com", True),
        (" ", False),
    ],
)
def test_the_text_of_a_link_is_no_address_of_another_host(text: str, leads: bool) -> None:
    rich = followed(read_html(f'<a href="https://evil.example/">{text}</a>'))
    assert ("https://evil.example/" in [span.value for span in rich.spans]) == leads


def test_links_of_a_value_are_rewritten_as_others_are() -> None:
    rules = (LinkRewrite("http://prometheus:9090", "https://prom.example.org"),)
    rich = followed(read_markdown("[g](http://prometheus:9090/x) http://prometheus:9090/y"), rules)
    assert [span.value for span in rich.spans] == [
        "https://prom.example.org/x",
        "https://prom.example.org/y",
    ]


_HTML = st.sampled_from((
    "<b>", "</b>", "<i>", "</i>", "<code>", "</code>", "<pre>", "</pre>", "<br>", "</a>",
    '<a href="https://e.org/">', '<a href="javascript:x">', "<a href=https://e.org/@everyone>",
    "&lt;@1&gt;", "&#64;everyone", "&#47;ban", "&#x202e;", "&#xfdd0;", "&#xd800;", "&#0;",
    "\ufdd00\ufdd1", "<b", ">", "/", "@",
))  # fmt: skip
_MARKDOWN = st.sampled_from(
    ("**", "*", "_", "__", "`", "```", "[", "](https://e.org)", "](tg://x)", "\\", "](", ")")
)


@given(
    parts=st.lists(st.one_of(_HTML, _MARKDOWN, hostile.texts, st.text(max_size=3)), max_size=30),
    written=st.sampled_from(("html", "markdown")),
)
@example(parts=["/<b>", "ban</b> @<i>every", "one</i>"], written="html")
@example(parts=["@every**", "one** <@&**", "2**>"], written="markdown")
def test_no_value_makes_a_mention_a_command_or_what_the_platform_finds_by_itself(
    parts: list[str], written: str
) -> None:
    rich = followed((read_html if written == "html" else read_markdown)("".join(parts)))
    assert {span.kind for span in rich.spans} <= {"bold", "italic", "code", "pre", "link"}
    text, entities = write(rich)
    assert found_in(text, entities) == []
    assert {entity.type for entity in entities} <= {"bold", "italic", "code", "pre", "text_link"}
    seen = read(write_discord(rich)).found
    assert seen <= {"bold", "italic", "code", "pre", "link", "autolink"}


@pytest.mark.parametrize("name", ["html", "discord"])
def test_the_filter_reads_a_value_and_leaves_the_others_literal(name: str) -> None:
    source = (
        "{{ alerts[0].annotations.summary | markup }} {{ alerts[0].annotations.summary }} "
        "{{ alerts[0].annotations.note | markup('markdown') }}"
    )
    compiled, faults = template.compile({"t.j2": source})
    assert faults == ()
    alert = sample.alert(4, annotations={"summary": "<b>full</b>", "note": "**now**"})
    policy = Policy("ops", "t.j2", "html" if name == "html" else "discord")
    templates = template.Templates(TEMPLATES.by_name | compiled.by_name)
    form = telegram.FORM if name == "html" else discord.FORM
    rendered = template.render(templates, policy, sample.view((alert,)), "card", None, form)
    assert rendered.failed == ""
    assert _shown(rendered.message.body) == "bold(full) <b>full</b> bold(now)"


def test_another_name_of_a_markup_is_a_fault_of_the_template() -> None:
    compiled, _ = template.compile({"t.j2": "{{ name | markup('bbcode') }}"})
    found = template.check(template.Templates(TEMPLATES.by_name | compiled.by_name), "t.j2", "html")
    assert "no markup 'bbcode'" in found[0].message


def test_a_value_too_long_to_read_is_text() -> None:
    for read_value in (read_html, read_markdown):
        assert read_value("<b>**a**</b>" * MOST_READ).spans == ()
        assert read_value(("<b>" + "*[" * 9) * (MOST_READ // 21)).text
