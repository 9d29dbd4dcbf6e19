"""The models of relay.yml: which keys there are, what each may hold, and its default.

Names are Alertmanager's where it has one: https://prometheus.io/docs/alerting/latest/configuration/
"""

from typing import ClassVar

from pydantic import Field

from relay.config.scalar import (
    Address,
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
from relay.config.schema_receiver import HttpConfig, Language, Receiver, Updates


class Route(Model):
    """A node of the route tree; it inherits the receiver of its parent."""

    receiver: str | None = None
    """Receiver of the alerts that end here; default: the parent's."""
    matchers: Texts = ()
    """All of them must match."""
    match: dict[str, Text] | None = None
    """Old form of `matchers`: labels and values."""
    match_re: dict[str, Text] | None = None
    """Old form of `matchers`: labels and regular expressions."""
    continue_: bool = Field(alias="continue", default=False)
    """Whether the routes after this one are tried, too."""
    routes: "Many[Route]" = ()
    """Child routes, tried in order."""
    mute_time_intervals: Texts = ()
    """Time intervals in which this route sends nothing."""
    active_time_intervals: Texts = ()
    """Time intervals outside of which this route sends nothing."""
    group_by: Texts | None = None
    """No effect here: Alertmanager does the grouping."""
    group_wait: Duration | None = None
    """No effect here: Alertmanager does the grouping."""
    group_interval: Duration | None = None
    """No effect here: Alertmanager does the grouping."""
    repeat_interval: Duration | None = None
    """No effect here: Alertmanager does the repeating."""


class Times(Model):
    """Minutes of a day, from `start_time` up to and without `end_time`."""

    start_time: Clock
    """HH:MM."""
    end_time: Clock
    """HH:MM, up to 24:00."""


class Period(Model):
    """A part of a time interval: it contains the moments that match all fields given."""

    times: Many[Times] = ()
    """Parts of a day."""
    weekdays: Many[Weekdays] = ()
    """Days of the week, such as monday:friday."""
    days_of_month: Many[Days] = ()
    """Days, such as 1:5; -1 is the last."""
    months: Many[Months] = ()
    """Months, such as january:march or 1:3."""
    years: Many[Years] = ()
    """Years, such as 2026:2028."""
    location: Timezone = "UTC"
    """Time zone of these fields."""


class TimeInterval(Model):
    """A named time interval, for routes and for quiet hours."""

    name: str
    """Name, for routes and `quiet`."""
    time_intervals: Many[Period] = ()
    """The interval contains what one of these contains."""


class TelegramLimits(Model):
    """Calls per bot, per chat, and per group chat."""

    bot: RateText | None = None
    """Calls of one bot (27/1s)."""
    chat: RateText | None = None
    """Messages to one chat (1/1100ms)."""
    group: RateText | None = None
    """Messages to one group (18/60s)."""


class DiscordLimits(Model):
    """Calls per webhook, per channel, and per address that the relay calls from."""

    webhook: RateText | None = None
    """Calls of one webhook (5/2200ms)."""
    channel: RateText | None = None
    """Messages to one channel (27/60s)."""
    address: RateText | None = None
    """Calls of this relay from its IP address (45/1s)."""


class LimitsConfig(Model):
    """Rate limits of each platform, `COUNT/DURATION`."""

    telegram: TelegramLimits = TelegramLimits()
    """Limits of Telegram."""
    discord: DiscordLimits = DiscordLimits()
    """Limits of Discord."""


class Retention(Model):
    """How long finished deliveries are kept, and how much space they may use."""

    time: Duration | None = None
    """How long (7d)."""
    size: Size | None = None
    """How much space (1GB)."""


class RouteTest(Model):
    """A test of the route tree: an alert with these labels reaches these receivers."""

    name: str
    """Name of the test."""
    labels: dict[str, Text]
    """Labels of the alert."""
    receivers: Texts
    """Receivers that the alert must reach, no others."""


class Global(Model):
    """Settings of every receiver that does not set them itself."""

    telegram_api_url: Address = "https://api.telegram.org"
    """Address of the Bot API server."""
    telegram_bot_token: SecretText | None = None
    """Token of the bot; better in a file."""
    telegram_bot_token_file: str | None = None
    """File that holds the token of the bot."""
    telegram_updates: Updates = "polling"
    """How the bots receive updates from Telegram."""
    telegram_webhook_url: Address | None = None
    """Public address of this relay, for updates by webhook."""
    http_config: HttpConfig | None = None
    """Proxy and TLS of requests."""
    dedup_window: Duration | None = None
    """The same state again within this time is a duplicate (2m)."""
    notices_receiver: str | None = None
    """Receiver of the relay's own notices; default: the root route's receiver."""
    language: Language = "en"
    """Language of the built-in texts."""
    timezone: Timezone = "UTC"
    """Time zone in which times are shown."""


class File(Model):
    """relay.yml as a whole."""

    advice: ClassVar[dict[str, str]] = {
        "inhibit_rules": ": Alertmanager inhibits before it posts, leave it to alertmanager.yml",
    }

    global_: Global = Field(Global(), alias="global")
    """The bot, and defaults for all receivers."""
    templates: Texts = ()
    """Template files, patterns relative to this file."""
    limits: LimitsConfig = LimitsConfig()
    """Rate limits of the platforms."""
    retention: Retention = Retention()
    """How long finished deliveries are kept."""
    time_intervals: Many[TimeInterval] = ()
    """Named time intervals."""
    route: Route
    """The route tree."""
    receivers: Many[Receiver]
    """Receivers and their chats."""
    tests: Many[RouteTest] = ()
    """Tests of the route tree, run at each load."""
