"""The models of relay.yml: which keys there are, what each may hold, and its default.

Names are Alertmanager's where it has one: https://prometheus.io/docs/alerting/latest/configuration/
"""

from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import Discriminator, Field, Tag

from relay.core.scalar import (
    Address,
    ChatId,
    Clock,
    Days,
    Duration,
    Many,
    Model,
    Months,
    RateText,
    SecretText,
    Size,
    Text,
    Texts,
    Timezone,
    Weekdays,
    Years,
)

T = TypeVar("T")
Language = Literal["en", "fr"]
Updates = Literal["polling", "webhook", "none"]

_AS_FILE = ': messages are Jinja2 here, write a template file and name it with "template"'


class ByLabel(Model, Generic[T]):
    """A value that a label of the alert chooses among those named here; `default` is for every other value."""

    label: str
    allow: Annotated[dict[Text, T], Field(min_length=1)]
    default: T | None = None


def _shape(value: object) -> str:
    return "chosen" if isinstance(value, dict | ByLabel) else "fixed"


Chat = Annotated[Annotated[ChatId, Tag("fixed")] | Annotated[ByLabel[ChatId], Tag("chosen")], Discriminator(_shape)]
FileName = Annotated[Annotated[str, Tag("fixed")] | Annotated[ByLabel[str], Tag("chosen")], Discriminator(_shape)]


class TlsConfig(Model):
    """Alertmanager's `tls_config`, the parts that a chat API may need."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False


class HttpConfig(Model):
    """Alertmanager's `http_config`: how requests travel."""

    proxy_url: Address = ""
    tls_config: TlsConfig = TlsConfig()


class Lifecycle(Model):
    """Which changes of a card get a reply, and how long a resolved one counts as the same incident."""

    reply_joined: bool = True
    reply_repeated: bool = True
    reply_resolved: bool = True
    reopen_window: Duration | None = None


class Mention(Model):
    """Who is told when a new firing alert matches: a numeric user id, or on Discord a role id."""

    matchers: Texts
    user: Text | None = None
    role: Text | None = None
    name: str = ""


class LinkRewrite(Model):
    """An address prefix that works inside only, and what stands in its place in messages."""

    match: str
    replace: Address


class Shared(Model):
    """What an entry may say, and its receiver for all its entries. An absent key has the default of `Policy`."""

    fallback: str | None = None
    lifecycle: Lifecycle | None = None
    per: Literal["group", "alert"] | None = None
    quiet: Texts | None = None
    urgent: Texts | None = None
    digest_after: Duration | None = None
    late_hold: Duration | None = None
    stale_after: Duration | None = None
    expire_after: Duration | None = None
    mentions: Many[Mention] | None = None
    overflow: Literal["count", "document"] | None = None
    link_rewrites: Many[LinkRewrite] | None = None
    language: Language | None = None
    timezone: Timezone | None = None


class Entry(Shared):
    """What the entries of both platforms share."""

    advice: ClassVar[dict[str, str]] = {"message": _AS_FILE, "title": _AS_FILE}

    send_resolved: bool = True
    disable_notifications: bool = False
    template: str | None = None
    http_config: HttpConfig | None = None


class TelegramConfig(Entry):
    """A chat, as one bot reaches it."""

    chat_id: Chat | None = None
    chat_id_file: str | None = None
    message_thread_id: int | None = None
    parse_mode: Literal["HTML", "MarkdownV2", "Markdown", "none", ""] = "HTML"
    bot_token: SecretText | None = None
    bot_token_file: str | None = None
    api_url: Address | None = None
    updates: Updates | None = None
    webhook_url: Address | None = None


class DiscordConfig(Entry):
    """A channel, as one webhook reaches it."""

    webhook_url: SecretText | None = None
    webhook_url_file: FileName | None = None
    parse_mode: Literal["Markdown", "HTML", "none", ""] = "Markdown"
    username: str = ""
    avatar_url: Address = ""
    thread_id: Text = ""
    thread_name: str = ""


class Receiver(Shared):
    """A name that routes lead to, and the chats behind it."""

    name: str
    telegram_configs: Many[TelegramConfig] = ()
    discord_configs: Many[DiscordConfig] = ()


class Route(Model):
    """A node of the route tree; what it does not say it has from its parent."""

    receiver: str | None = None
    matchers: Texts = ()
    match: dict[str, Text] | None = None
    match_re: dict[str, Text] | None = None
    continue_: bool = Field(alias="continue", default=False)
    routes: "Many[Route]" = ()
    mute_time_intervals: Texts = ()
    active_time_intervals: Texts = ()
    group_by: Texts | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None


class Times(Model):
    """Minutes of a day, from `start_time` up to and without `end_time`."""

    start_time: Clock
    end_time: Clock


class Period(Model):
    """One way to be inside a time interval: every part that is given holds."""

    times: Many[Times] = ()
    weekdays: Many[Weekdays] = ()
    days_of_month: Many[Days] = ()
    months: Many[Months] = ()
    years: Many[Years] = ()
    location: Timezone = "UTC"


class TimeInterval(Model):
    """A named time interval, for routes and for quiet hours."""

    name: str
    time_intervals: Many[Period] = ()


class TelegramLimits(Model):
    """Calls per bot, per chat, and per group chat."""

    bot: RateText | None = None
    chat: RateText | None = None
    group: RateText | None = None


class DiscordLimits(Model):
    """Calls per webhook, per channel, and per address that the relay calls from."""

    webhook: RateText | None = None
    channel: RateText | None = None
    address: RateText | None = None


class LimitsConfig(Model):
    """How much each platform takes, `COUNT/DURATION`."""

    telegram: TelegramLimits = TelegramLimits()
    discord: DiscordLimits = DiscordLimits()


class Retention(Model):
    """How long finished work is kept, and how much room it may take."""

    time: Duration | None = None
    size: Size | None = None


class RouteTest(Model):
    """An alert with these labels reaches these receivers."""

    name: str
    labels: dict[str, Text]
    receivers: Texts


class Global(Model):
    """What holds for every receiver that does not say otherwise."""

    telegram_api_url: Address = "https://api.telegram.org"
    telegram_bot_token: SecretText | None = None
    telegram_bot_token_file: str | None = None
    telegram_updates: Updates = "none"
    telegram_webhook_url: Address | None = None
    http_config: HttpConfig | None = None
    dedup_window: Duration | None = None
    notices_receiver: str | None = None
    language: Language = "en"
    timezone: Timezone = "UTC"


class File(Model):
    """relay.yml as a whole."""

    advice: ClassVar[dict[str, str]] = {
        "inhibit_rules": ": Alertmanager inhibits before it posts, leave it to alertmanager.yml",
    }

    global_: Global = Field(Global(), alias="global")
    templates: Texts = ()
    limits: LimitsConfig = LimitsConfig()
    retention: Retention = Retention()
    time_intervals: Many[TimeInterval] = ()
    route: Route
    receivers: Many[Receiver]
    tests: Many[RouteTest] = ()
