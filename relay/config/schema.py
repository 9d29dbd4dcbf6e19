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
    """A node of the route tree; what it does not say it has from its parent."""

    receiver: str | None = None
    """Who gets what ends here; default: the parent's."""
    matchers: Texts = ()
    """All of them have to match."""
    match: dict[str, Text] | None = None
    """Old form of `matchers`: labels and values."""
    match_re: dict[str, Text] | None = None
    """Old form of `matchers`: labels and regular expressions."""
    continue_: bool = Field(alias="continue", default=False)
    """Whether the routes after this one are tried as well."""
    routes: "Many[Route]" = ()
    """Tried in order before this one takes the alert."""
    mute_time_intervals: Texts = ()
    """Time intervals in which this route sends nothing."""
    active_time_intervals: Texts = ()
    """Time intervals outside of which this route sends nothing."""
    group_by: Texts | None = None
    """Without effect: Alertmanager groups."""
    group_wait: Duration | None = None
    """Without effect: Alertmanager groups."""
    group_interval: Duration | None = None
    """Without effect: Alertmanager groups."""
    repeat_interval: Duration | None = None
    """Without effect: Alertmanager repeats."""


class Times(Model):
    """Minutes of a day, from `start_time` up to and without `end_time`."""

    start_time: Clock
    """HH:MM."""
    end_time: Clock
    """HH:MM, up to 24:00."""


class Period(Model):
    """One way to be inside a time interval: every part that is given holds."""

    times: Many[Times] = ()
    """Parts of a day."""
    weekdays: Many[Weekdays] = ()
    """Such as monday:friday."""
    days_of_month: Many[Days] = ()
    """Such as 1:5; -1 is the last."""
    months: Many[Months] = ()
    """Such as january:march or 1:3."""
    years: Many[Years] = ()
    """Such as 2026:2028."""
    location: Timezone = "UTC"
    """Time zone of the above."""


class TimeInterval(Model):
    """A named time interval, for routes and for quiet hours."""

    name: str
    """What routes and `quiet` call it."""
    time_intervals: Many[Period] = ()
    """Inside one of these is inside."""


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
    """Calls from this machine (45/1s)."""


class LimitsConfig(Model):
    """How much each platform takes, `COUNT/DURATION`."""

    telegram: TelegramLimits = TelegramLimits()
    """Telegram's."""
    discord: DiscordLimits = DiscordLimits()
    """Discord's."""


class Retention(Model):
    """How long finished work is kept, and how much room it may take."""

    time: Duration | None = None
    """How long (7d)."""
    size: Size | None = None
    """How much (1GB)."""


class RouteTest(Model):
    """An alert with these labels reaches these receivers."""

    name: str
    """What should hold, in a few words."""
    labels: dict[str, Text]
    """Labels of the alert."""
    receivers: Texts
    """Who gets it."""


class Global(Model):
    """What holds for every receiver that does not say otherwise."""

    telegram_api_url: Address = "https://api.telegram.org"
    """Address of the Bot API server."""
    telegram_bot_token: SecretText | None = None
    """Token of the bot; better in a file."""
    telegram_bot_token_file: str | None = None
    """File that holds the token of the bot."""
    telegram_updates: Updates = "polling"
    """How the bots hear from Telegram."""
    telegram_webhook_url: Address | None = None
    """Public address of this relay, where updates come by webhook."""
    http_config: HttpConfig | None = None
    """How requests travel."""
    dedup_window: Duration | None = None
    """The same state again within this time is a duplicate (2m)."""
    notices_receiver: str | None = None
    """Who gets the relay's own notices; default: the first route's receiver."""
    language: Language = "en"
    """Language of the built-in words."""
    timezone: Timezone = "UTC"
    """Time zone of times that are written out."""


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
    """How much the platforms take."""
    retention: Retention = Retention()
    """How long finished work is kept."""
    time_intervals: Many[TimeInterval] = ()
    """Named time intervals."""
    route: Route
    """The route tree."""
    receivers: Many[Receiver]
    """Names that routes lead to, and the chats behind them."""
    tests: Many[RouteTest] = ()
    """Alerts and who should get them, checked at each load."""
