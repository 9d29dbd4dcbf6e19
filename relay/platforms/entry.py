"""The keys that entries of all platforms share in relay.yml, and the means by which a platform
reads its own keys.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Generic, Literal, Protocol, TypeVar

from msgspec import Struct
from pydantic import Discriminator, Field, Tag

from relay.core.bot.account import Bot
from relay.core.routing.lane import Endpoint, HttpOptions
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.core.text.markup import MarkupName
from relay.platforms.scalar import (
    Address,
    Duration,
    Many,
    Matchers,
    Model,
    SecretAddress,
    Text,
    Texts,
    Timezone,
)

T = TypeVar("T")
Language = Literal["en", "fr"]
Loc = tuple[str | int, ...]
When = tuple[Matcher, ...]

_AS_FILE = ': messages are Jinja2 here, write a template file and name it with "template"'


class ByLabel(Model, Generic[T]):
    """A value that a label of the alert chooses from a list; `default` is for all other values."""

    label: str
    """The label that chooses."""
    allow: Annotated[dict[Text, T], Field(min_length=1)]
    """Label values, each with the value that it chooses."""
    default: T | None = None
    """For all other label values, and for alerts without the label."""


def shape(value: object) -> str:
    """Whether a value is fixed or chosen by a label: the tag of the two kinds."""
    return "chosen" if isinstance(value, dict | ByLabel) else "fixed"


class FileByLabel(ByLabel[str]):
    """A file that a label of the alert chooses."""


FileName = Annotated[
    Annotated[str, Tag("fixed")] | Annotated[FileByLabel, Tag("chosen")], Discriminator(shape)
]


class TlsConfig(Model):
    """Alertmanager's `tls_config`: the parts that a chat API may need."""

    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    cert_file: str = ""
    """Client certificate; needs `key_file`."""
    key_file: str = ""
    """Key of the client certificate."""
    server_name: str = ""
    """Name that the server's certificate must have."""
    insecure_skip_verify: bool = False
    """Accept any certificate."""


class HttpConfig(Model):
    """Alertmanager's `http_config`: how requests are made."""

    advice: ClassVar[dict[str, str]] = {
        "proxy_from_environment": (
            ': the environment is not read, write "proxy_url" where a proxy is needed'
        ),
        "no_proxy": ': "proxy_url" applies to all requests of an entry: leave it out at those that '
        "need none",
        **dict.fromkeys(
            ("basic_auth", "authorization", "oauth2", "http_headers", "bearer_token"),
            ": the chats' APIs use none, remove it",
        ),
    }

    proxy_url: SecretAddress | None = None
    """Proxy to use, with user and password if it needs them."""
    tls_config: TlsConfig = TlsConfig()
    """TLS of the connection."""
    follow_redirects: bool | None = None
    """No effect here: the chats' APIs do not redirect."""
    enable_http2: bool | None = None
    """No effect here."""


class Lifecycle(Model):
    """The changes of a card that get a reply, and how long a resolved card counts as the same
    incident.
    """

    reply_joined: bool = True
    """A reply when alerts join the card."""
    reply_repeated: bool = True
    """A reply when the card is still firing at a repeat."""
    reply_resolved: bool = True
    """A reply when the card is resolved."""
    reopen_window: Duration | None = None
    """A card that fires again within this time counts as another round of the same incident
    (30m).
    """


class Mention(Model):
    """Who is mentioned when a new firing alert matches. A single word of `who` means every
    alert.
    """

    matchers: Matchers
    """The alerts, by matchers."""
    who: Texts = ()
    """Names of `people`, `discord_role:ID`, `discord_user:ID` or `telegram_user:ID`."""
    user: Text | None = None
    """Numeric id of a person."""
    role: Text | None = None
    """Numeric id of a role, on Discord."""
    name: str = ""
    """The name shown in place of the person or role."""


def _mention_kind(value: object) -> str:
    return "word" if isinstance(value, str) else "rule"


MentionOrWord = Annotated[
    Annotated[str, Tag("word")] | Annotated[Mention, Tag("rule")], Discriminator(_mention_kind)
]


class LinkRewrite(Model):
    """An address prefix that works only inside, and its replacement in messages."""

    match: str
    """Prefix of the address in the alert."""
    replace: Address
    """Its replacement."""


class Shared(Model):
    """Settings of an entry, which its receiver can set for all its entries. A missing key has the
    default of `Policy`.
    """

    fallback: str | None = None
    """Receiver that gets a copy when this chat is gone, or refuses a message in every form."""
    fallback_after: Duration | None = None
    """A copy is also sent when the chat could not be told for this long, for any reason. Without it
    there is none.
    """
    lifecycle: Lifecycle | None = None
    """The changes of a card that get a reply."""
    per: Literal["group", "alert"] | None = None
    """Whether a card shows a group or a single alert (group)."""
    quiet: Texts | None = None
    """Time intervals in which messages make no sound."""
    urgent: Matchers | None = None
    """The alerts that go first, and that ring in quiet hours and storms too: by default those whose
    severity is critical, page, high, error or another word of that weight.
    """
    digest_after: Duration | None = None
    """A chat that cannot keep up for this long gets one digest (1m)."""
    late_hold: Duration | None = None
    """How long a report that contradicts the present state is held (45s)."""
    identity_ignores: Texts | None = None
    """Labels that change while the problem stays, such as a value or a pod: another value of them
    makes no new alert. Replaces those of `global`.
    """
    stale_after: Duration | None = None
    """A card without news for this long says so (25h)."""
    expire_after: Duration | None = None
    """A delivery that could not be sent for this long is given up and reported (1d)."""
    mentions: Many[MentionOrWord] | None = None
    """Who is mentioned for new firing alerts."""
    overflow: Literal["count", "document"] | None = None
    """The alerts that do not fit into a message are counted, or sent along as a document
    (count).
    """
    link_rewrites: Many[LinkRewrite] | None = None
    """Addresses that have another form outside."""
    language: Language | None = None
    """Language of the built-in texts."""
    timezone: Timezone | None = None
    """Time zone of written times."""


class Entry(Shared):
    """Settings of one chat, the same on all platforms."""

    advice: ClassVar[dict[str, str]] = {"message": _AS_FILE, "title": _AS_FILE}

    send_resolved: bool = True
    """Whether the end of an incident is told. Its card shows it in any case."""
    disable_notifications: bool = False
    """Never make a sound."""
    template: str | None = None
    """File name of a template, from `templates` or built in."""
    http_config: HttpConfig | None = None
    """How requests are made."""


class Writing(Struct, frozen=True):
    """A markup for templates, and the built-in template for entries that name none."""

    markup: MarkupName
    template: str


class Imported(Struct, frozen=True):
    """The keys of Alertmanager's own sender that an import keeps: those of an entry, and those of
    `global`. Both are empty if Alertmanager has no such sender.
    """

    entry: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()


class Chats(Struct, frozen=True):
    """The chats of an entry: endpoints, each with the matchers of its alerts (none: all), and the
    bot that people there can talk to, if there is one.
    """

    endpoints: tuple[tuple[When, Endpoint], ...]
    bot: Bot | None = None


class EntryReader(Protocol):
    """The configuration's side for a platform: it takes faults, and has the files that were read.
    Paths (`loc`) are those of the entry's keys in the file.
    """

    def fault(self, loc: Loc, message: str) -> None:
        """Reports a fault of the value at `loc`."""

    def lack(self, loc: Loc, message: str) -> None:
        """Reports that something is missing from the value at `loc`."""

    def warn(self, loc: Loc, message: str) -> None:
        """Reports a doubt about the key at the end of `loc`."""

    def secret(
        self, inline: Secret | None, path: str | None, loc: Loc
    ) -> tuple[Secret | None, Loc]:
        """The secret that is in the configuration (at `loc`) or in a file of its own, with the path
        of the one in use. None, reported, if that file was not read.
        """

    def secret_file(self, path: str, loc: Loc) -> Secret | None:
        """The contents of a secret file; None, reported, if it was not read."""

    def http(self, config: HttpConfig | None, loc: Loc) -> HttpOptions:
        """How requests of the entry at `loc` are made."""


def expand(value: T | ByLabel[T] | None, loc: Loc) -> Iterator[tuple[When, T, Loc]]:
    """Each value that a label may choose, with its condition; a fixed value has none."""
    if value is None:
        return
    if not isinstance(value, ByLabel):
        yield (), value, loc
        return
    for name, chosen in value.allow.items():
        yield (Matcher(value.label, "=", name),), chosen, (*loc, "allow", name)
    if value.default is not None:
        others = tuple(Matcher(value.label, "!=", name) for name in value.allow)
        yield others, value.default, (*loc, "default")


def file_names(value: str | ByLabel[str] | None) -> Iterator[str]:
    """The files that a key names."""
    for _, name, _ in expand(value, ()):
        yield name
