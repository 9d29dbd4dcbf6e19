"""Rich texts and messages as bad as alerts and templates can make them."""

from hypothesis import strategies as st

from relay.core.text.message import Field, Mention, Message
from relay.core.text.richtext import Kind, RichText, concat, normalise, styled

_ATOMS = (  # noqa: SIM905 -- a list of so many short strings is not read
    "@ / # $ . : - _ ~ * ` | > < ( ) [ ] \\ + ! = & , ; ' \" « » · % 1 12 7 a Z é 日 🔥 \u200c "
    "\u200d \u2060 \u0301 "
    "\u0333 \u030a \u202e com http:// https:// ftp:// tg:// ton:// mailto: xn--p1ai 10.0.0.1 "
    "4111111111111111 USD "
    "1INCH oncall var рф भारत example.com a@b.com www. node-1.example.com /var/log README.md "
    "@everyone @here <@1> "
    "<@&2> <#3> <:x:4> <t:1> </a:5> <id:guide> :fire: ``` ** __ ~~ || [a](https://b.c) "
    "tg://user?id=1 "
    "https://e.org/x?y=1#z <https://b.c> steam://run/1 -# ### >>> 1. *** `` \ud800"
).split(" ")
texts = st.lists(
    st.one_of(
        st.sampled_from([*_ATOMS, " ", " ", "\n", "\t", "\r", "\x00", "\u2028"]),
        st.text(max_size=3),
    ),
    max_size=24,
).map("".join)
_plain_kinds: tuple[Kind, ...] = (
    "bold", "italic", "underline", "strikethrough", "spoiler", "code", "quote", "fold", "heading",
    "subtext", "pre",
)  # fmt: skip
addresses = st.sampled_from(
    (
        "https://example.org/a b)c",
        'http://prometheus:9090/graph?g0.expr=up{job="a"}',
        "http://[::1]:9090/",
        "http://10.0.0.1/",
        "javascript:alert(1)",
        "http://",
        "https://user:pass@example.org/",
        "http://[bad",
        "https://exämple.org/ü%zz",
        "https://a.b:99999/",
    )
)


def _layered(inner: st.SearchStrategy[RichText]) -> st.SearchStrategy[RichText]:
    return st.one_of(
        st.lists(inner, max_size=4).map(concat),
        st.builds(
            lambda kind, rich: styled(kind, rich, "1" if kind == "heading" else ""),
            st.sampled_from(_plain_kinds),
            inner,
        ),
        st.builds(lambda rich, address: styled("link", rich, address), inner, addresses),
    )


rich_texts = st.recursive(texts.map(RichText), _layered, max_leaves=8).map(normalise)
fields = st.builds(Field, rich_texts, rich_texts, st.booleans())
mentions = st.builds(
    Mention,
    st.sampled_from(("user", "role")),
    st.sampled_from(("11", "12")),
    texts.map(lambda t: t[:20]),
)
messages = st.builds(
    Message,
    body=rich_texts,
    title=rich_texts,
    title_url=addresses,
    fields=st.lists(fields, max_size=3).map(tuple),
    footer=rich_texts,
    content=rich_texts,
    color=st.one_of(st.none(), st.integers(-1, 0x1FFFFFF)),
    timestamp=st.one_of(st.none(), st.floats(-1e18, 1e18)),
    mentions=st.lists(mentions, max_size=3).map(tuple),
)


def enlarged(message: Message, factor: int) -> Message:
    """The message with all its parts `factor` times over, and more fields than an embed takes."""
    return Message(
        body=concat([message.body] * factor),
        title=concat([message.title] * factor),
        title_url=message.title_url,
        fields=message.fields * (factor % 40),
        footer=concat([message.footer] * factor),
        content=concat([message.content] * factor),
        mentions=message.mentions,
    )
