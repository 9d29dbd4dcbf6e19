"""The keys that entries of all platforms share in relay.yml, and the tools with which a platform
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
    """A value that a label of the alert chooses among those named here; `default` is for every
    other value.
    """

    label: str
    """The label whose value chooses."""
    allow: Annotated[dict[Text, T], Field(min_length=1)]
    """Label values and what each chooses."""
    default: T | None = None
    """For every other value, and for alerts without the label."""


def shape(value: object) -> str:
    """Whether a value is fixed or chosen by a label: the tag of the two kinds."""
    return "chosen" if isinstance(value, dict | ByLabel) else "fixed"


class FileByLabel(ByLabel[str]):
    """A file that a label of the alert chooses."""


FileName = Annotated[
    Annotated[str, Tag("fixed")] | Annotated[FileByLabel, Tag("chosen")], Discriminator(shape)
]


class TlsConfig(Model):
    """Alertmanager's `tls_config`, the parts that a chat API may need."""

    ca_file: str = ""
    """Certificates to trust in place of the machine's."""
    cert_file: str = ""
    """Client certificate; needs `key_file`."""
    key_file: str = ""
    """Key of the client certificate."""
    server_name: str = ""
    """Name that the server's certificate has to have."""
    insecure_skip_verify: bool = False
    """Believe any certificate."""


class HttpConfig(Model):
    """Alertmanager's `http_config`: how requests travel."""

    advice: ClassVar[dict[str, str]] = {
        "proxy_from_environment": (
            ': the environment is not read, write "proxy_url" where a proxy is needed'
        ),
        "no_proxy": ': "proxy_url" counts for all requests of an entry: leave it out at those that '
        "need none",
        **dict.fromkeys(
            ("basic_auth", "authorization", "oauth2", "http_headers", "bearer_token"),
            ": the chats take none, remove it",
        ),
    }

    proxy_url: SecretAddress | None = None
    """Proxy to go through, with its user and password if it wants them."""
    tls_config: TlsConfig = TlsConfig()
    """Certificates."""
    follow_redirects: bool | None = None
    """No effect here: the chats' APIs redirect nobody."""
    enable_http2: bool | None = None
    """No effect here."""


class Lifecycle(Model):
    """Which changes of a card get a reply, and how long a resolved one counts as the same
    incident.
    """

    reply_joined: bool = True
    """A line under the card when alerts join."""
    reply_repeated: bool = True
    """A line under the card when it fires on."""
    reply_resolved: bool = True
    """A line under the card when it is over."""
    reopen_window: Duration | None = None
    """Fires again within this time: counted as another round (30m)."""


class Mention(Model):
    """Who is told when a new firing alert matches; a word of `who` alone is told of each."""

    matchers: Matchers
    """Which alerts."""
    who: Texts = ()
    """Names of `people`, `discord_role:ID`, `discord_user:ID` or `telegram_user:ID`."""
    user: Text | None = None
    """Numeric id of a person."""
    role: Text | None = None
    """Numeric id of a role, on Discord."""
    name: str = ""
    """What stands for the person or role where a name is shown."""


def _mention_kind(value: object) -> str:
    return "word" if isinstance(value, str) else "rule"


MentionOrWord = Annotated[
    Annotated[str, Tag("word")] | Annotated[Mention, Tag("rule")], Discriminator(_mention_kind)
]


class LinkRewrite(Model):
    """An address prefix that works inside only, and what stands in its place in messages."""

    match: str
    """Prefix of the address in the alert."""
    replace: Address
    """What takes its place."""


class Shared(Model):
    """What an entry may say, and its receiver for all its entries. An absent key has the default of
    `Policy`.
    """

    fallback: str | None = None
    """Receiver that gets a copy when this chat is gone, or refuses a message in every form."""
    fallback_after: Duration | None = None
    """The copy is sent as well when the chat could not be told for this long, for whatever reason;
    off without it."""
    lifecycle: Lifecycle | None = None
    """Which changes of a card get a reply."""
    per: Literal["group", "alert"] | None = None
    """Whether a card is a group or an alert (group)."""
    quiet: Texts | None = None
    """Time intervals in which messages come without sound."""
    urgent: Matchers | None = None
    """Which alerts go first and ring in quiet hours and storms too: by default those whose
    severity is critical, page, high, error or another word of that weight."""
    digest_after: Duration | None = None
    """A chat that cannot keep up for this long gets one digest (1m)."""
    late_hold: Duration | None = None
    """How long what contradicts the present state is held back (45s)."""
    identity_ignores: Texts | None = None
    """Labels that change while the trouble stays, such as a value or a pod: they tell no alert from
    another. Over those of `global`."""
    stale_after: Duration | None = None
    """A card without news for this long says so (25h)."""
    expire_after: Duration | None = None
    """What could not be sent for this long is given up and announced (1d)."""
    mentions: Many[MentionOrWord] | None = None
    """Who is told of new firing alerts."""
    overflow: Literal["count", "document"] | None = None
    """What does not fit into a message: counted, or sent along as a document (count)."""
    link_rewrites: Many[LinkRewrite] | None = None
    """Addresses that need another form outside."""
    language: Language | None = None
    """Language of the built-in words."""
    timezone: Timezone | None = None
    """Time zone of times that are written out."""


class Entry(Shared):
    """What the entries of all platforms share."""

    advice: ClassVar[dict[str, str]] = {"message": _AS_FILE, "title": _AS_FILE}

    send_resolved: bool = True
    """Whether the end of an incident is told; its card shows it in any case."""
    disable_notifications: bool = False
    """No sound, ever."""
    template: str | None = None
    """Name of a template file, among `templates` or built in."""
    http_config: HttpConfig | None = None
    """How requests travel."""


class Writing(Struct, frozen=True):
    """What a template is written in, and the built-in one where an entry names none."""

    markup: MarkupName
    template: str


class Imported(Struct, frozen=True):
    """The keys of Alertmanager's own sender that an import carries over: those of an entry, and
    those of `global`. Both are empty where Alertmanager has no such sender.
    """

    entry: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()


class Chats(Struct, frozen=True):
    """What an entry leads to: endpoints, each with the alerts that it takes (all when empty), and
    the bot that hears people there, if there is one.
    """

    endpoints: tuple[tuple[When, Endpoint], ...]
    bot: Bot | None = None


class EntryReader(Protocol):
    """What the configuration lends a platform: where to report faults, and the files that were
    read. Paths (`loc`) are those of the entry's keys in the file.
    """

    def fault(self, loc: Loc, message: str) -> None:
        """Something is wrong with the value at `loc`."""

    def lack(self, loc: Loc, message: str) -> None:
        """Something is missing from the value at `loc`."""

    def warn(self, loc: Loc, message: str) -> None:
        """Something is doubtful at the key that ends `loc`."""

    def secret(
        self, inline: Secret | None, path: str | None, loc: Loc
    ) -> tuple[Secret | None, Loc]:
        """A secret that stands in the file (at `loc`) or in a file of its own, and the path of the
        one in use; None, reported, when that file was not read.
        """

    def secret_file(self, path: str, loc: Loc) -> Secret | None:
        """What a secret file holds; None, reported, when it was not read."""

    def http(self, config: HttpConfig | None, loc: Loc) -> HttpOptions:
        """How requests of the entry at `loc` travel."""


def expand(value: T | ByLabel[T] | None, loc: Loc) -> Iterator[tuple[When, T, Loc]]:
    """Each value that a label may choose with the condition for it; a fixed value has none."""
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
