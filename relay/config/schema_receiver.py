"""The models of a receiver in relay.yml: its chats, and how it wants its messages."""

from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import Discriminator, Field, Tag

from relay.config.scalar import (
    Address,
    ChatId,
    Duration,
    Many,
    Model,
    SecretAddress,
    SecretText,
    Text,
    Texts,
    Timezone,
)

T = TypeVar("T")
Language = Literal["en", "fr"]
Updates = Literal["polling", "webhook", "none"]

_AS_FILE = ': messages are Jinja2 here, write a template file and name it with "template"'


# Alertmanager's other senders (its config/config.go)
_OTHERS = (
    "email", "incidentio", "jira", "mattermost", "msteams", "msteamsv2", "opsgenie", "pagerduty", "pushover",
    "rocketchat", "slack", "sns", "victorops", "webex", "webhook", "wechat",
)  # fmt: skip


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


def _shape(value: object) -> str:
    return "chosen" if isinstance(value, dict | ByLabel) else "fixed"


class ChatByLabel(ByLabel[ChatId]):
    """A chat that a label of the alert chooses."""


class FileByLabel(ByLabel[str]):
    """A file that a label of the alert chooses."""


Chat = Annotated[
    Annotated[ChatId, Tag("fixed")] | Annotated[ChatByLabel, Tag("chosen")], Discriminator(_shape)
]
FileName = Annotated[
    Annotated[str, Tag("fixed")] | Annotated[FileByLabel, Tag("chosen")], Discriminator(_shape)
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

    proxy_url: SecretAddress | None = None
    """Proxy to go through, with its user and password if it wants them."""
    tls_config: TlsConfig = TlsConfig()
    """Certificates."""


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
    """Who is told when a new firing alert matches: a numeric user id, or on Discord a role id."""

    matchers: Texts
    """Which alerts."""
    user: Text | None = None
    """Numeric id of a person."""
    role: Text | None = None
    """Numeric id of a role, on Discord."""
    name: str = ""
    """What stands for the person or role where a name is shown."""


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
    """Receiver that gets a copy when this chat is gone."""
    lifecycle: Lifecycle | None = None
    """Which changes of a card get a reply."""
    per: Literal["group", "alert"] | None = None
    """Whether a card is a group or an alert (group)."""
    quiet: Texts | None = None
    """Time intervals in which messages come without sound."""
    urgent: Texts | None = None
    """Which alerts never wait in a digest and ring at night (severity=~"(?i:critical|crit|page|pag\
ing|pager|emergency|emerg|fatal|disaster|blocker|urgent|panic|alert|sev0|sev1|sev-0|sev-1|p0\
|p1|s0|s1|critique|high|error|err|major|severe|sev2|sev-2|p2|s2)")."""
    digest_after: Duration | None = None
    """A chat that cannot keep up for this long gets one digest (1m)."""
    late_hold: Duration | None = None
    """How long what contradicts the present state is held back (45s)."""
    stale_after: Duration | None = None
    """A card without news for this long says so (9h)."""
    expire_after: Duration | None = None
    """What could not be sent for this long is given up and announced (1d)."""
    mentions: Many[Mention] | None = None
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
    """What the entries of both platforms share."""

    advice: ClassVar[dict[str, str]] = {"message": _AS_FILE, "title": _AS_FILE}

    send_resolved: bool = True
    """Whether the end of an incident is told; its card shows it in any case."""
    disable_notifications: bool = False
    """No sound, ever."""
    template: str | None = None
    """Name of a template file, among `templates` or built in."""
    http_config: HttpConfig | None = None
    """How requests travel."""


class TelegramConfig(Entry):
    """A chat, as one bot reaches it."""

    chat_id: Chat | None = None
    """The chat; groups and channels have negative ids."""
    chat_id_file: str | None = None
    """File that holds the chat id."""
    message_thread_id: int | None = None
    """Topic of a group with topics."""
    parse_mode: Literal["HTML", "MarkdownV2", "Markdown", "none", ""] = "HTML"
    """What the template is written in."""
    bot_token: SecretText | None = None
    """Token of the bot; better in a file."""
    bot_token_file: str | None = None
    """File that holds the token of the bot."""
    api_url: Address | None = None
    """Address of the Bot API server."""
    updates: Updates | None = None
    """How this bot hears from Telegram."""
    webhook_url: Address | None = None
    """Public address of this relay, where `updates` is webhook."""


class DiscordConfig(Entry):
    """A channel, as one webhook reaches it."""

    webhook_url: SecretText | None = None
    """The webhook; better in a file, since who knows it can post."""
    webhook_url_file: FileName | None = None
    """File that holds the webhook URL."""
    parse_mode: Literal["Markdown", "HTML", "none", ""] = "Markdown"
    """What the template is written in; Markdown is Discord's."""
    username: str = ""
    """Name that the messages appear under."""
    avatar_url: Address = ""
    """Picture beside the name."""
    thread_id: Text = ""
    """Thread of the channel."""
    thread_name: str = ""
    """Title of the post that is made in a forum channel."""


class Receiver(Shared):
    """A name that routes lead to, and the chats behind it."""

    advice: ClassVar[dict[str, str]] = dict.fromkeys(
        (f"{sender}_configs" for sender in _OTHERS), ": this sender stays in alertmanager.yml"
    )

    name: str
    """What routes call it."""
    telegram_configs: Many[TelegramConfig] = ()
    """Telegram chats."""
    discord_configs: Many[DiscordConfig] = ()
    """Discord channels."""
