"""The models of relay.yml: its keys, their values, and their defaults.

`file_model` adds those of the platforms to the classes here. Names are Alertmanager's where it has
one: https://prometheus.io/docs/alerting/latest/configuration/
"""

from functools import lru_cache
from typing import Any, ClassVar

from pydantic import Field, create_model

from relay.config.schema_acting import Actions, Alertmanager, HeartbeatModel, PersonConfig
from relay.config.schema_receiver import Receiver, entries_key
from relay.platforms.contract import AnyPlatform, Platforms
from relay.platforms.entry import HttpConfig, Language, LinkRewrite
from relay.platforms.scalar import (
    Clock,
    Days,
    Duration,
    Many,
    Matchers,
    Model,
    Moment,
    Months,
    Size,
    Text,
    Texts,
    Timezone,
    Weekdays,
    Years,
)


class Route(Model):
    """A node of the route tree; it inherits the receiver of its parent."""

    receiver: str | None = None
    """Receiver of the alerts that end here; default: the parent's."""
    matchers: Matchers = ()
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
    """Time intervals outside which this route sends nothing."""
    group_by: Texts | None = None
    """No effect here: Alertmanager groups alerts."""
    group_wait: Duration | None = None
    """No effect here: Alertmanager groups alerts."""
    group_interval: Duration | None = None
    """No effect here: Alertmanager groups alerts."""
    repeat_interval: Duration | None = None
    """No effect here: Alertmanager repeats notifications."""


class Times(Model):
    """Minutes of a day, from `start_time` to `end_time`, the end excluded."""

    start_time: Clock
    """HH:MM."""
    end_time: Clock
    """HH:MM, up to 24:00."""


class Period(Model):
    """A part of a time interval: it contains the moments at which all given fields match."""

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
    """The interval contains a moment if one of these contains it."""


class LimitsConfig(Model):
    """Rate limits of each platform, `COUNT/DURATION`."""


class Retention(Model):
    """How long finished deliveries are kept, and how much space they may use."""

    time: Duration | None = None
    """How long (7d)."""
    size: Size | None = None
    """How much space (1GB)."""


class RouteTest(Model):
    """A test of the route tree: an alert with these labels reaches exactly these receivers."""

    name: str
    """Name of the test."""
    labels: dict[str, Text]
    """Labels of the alert."""
    receivers: Texts
    """Receivers that the alert must reach, and no others."""
    at: Moment | None = None
    """Time of the test: receivers that are muted then do not count."""
    muted: bool = False
    """With `at`: the receivers that are muted then."""


class Global(Model):
    """Settings of all receivers that do not set them themselves."""

    http_config: HttpConfig | None = None
    """Proxy and TLS of requests."""
    dedup_window: Duration | None = None
    """The same state again within this time is a duplicate (2m)."""
    notices_receiver: str | None = None
    """Receiver of the relay's own notices; default: the root route's receiver."""
    identity_ignores: Texts = ()
    """Labels of which another value makes no new alert, for all receivers."""
    link_rewrites: Many[LinkRewrite] = ()
    """Addresses that have another form outside, for all receivers."""
    language: Language = "en"
    """Language of the built-in texts."""
    timezone: Timezone = "UTC"
    """Time zone of written times."""


class File(Model):
    """relay.yml as a whole."""

    platforms: ClassVar[Platforms] = {}
    advice: ClassVar[dict[str, str]] = {
        "inhibit_rules": ": Alertmanager inhibits before it posts, leave it to alertmanager.yml",
    }

    global_: Global = Field(Global(), alias="global")
    """Settings of the bots, and defaults for all receivers."""
    templates: Texts = ()
    """Template files: patterns relative to this file, for names that end in `.j2`; links are
    followed. A file with the name of a built-in template replaces it.
    """
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
    alertmanagers: Many[Alertmanager] = ()
    """Where silences are written and read."""
    people: Many[PersonConfig] = ()
    """People on both platforms."""
    actions: Actions | None = None
    """What people may do from the chat. Without it there are no buttons."""
    heartbeats: Many[HeartbeatModel] = ()
    """Alerts that have to arrive again and again."""
    tests: Many[RouteTest] = ()
    """Alerts, each with the receivers that it must reach, checked at each load."""


def file_model(platforms: Platforms) -> type[File]:
    """The model of a file in which these platforms have their keys."""
    return _file_model(tuple(platforms.items()))


@lru_cache(maxsize=4)
def _file_model(platforms: tuple[tuple[str, AnyPlatform], ...]) -> type[File]:
    """Makes the model: a receiver has a list of entries for each platform, `limits` a key, and
    `global` its keys.
    """
    entries: dict[str, Any] = {
        entries_key(name): (
            Many[each.ENTRY],  # type: ignore[name-defined] # a type at run time
            Field((), description=f"{each.TITLE} {each.CHATS}."),
        )
        for name, each in platforms
    }
    rates: dict[str, Any] = {
        name: (each.LIMITS, Field(each.LIMITS(), description=f"{each.TITLE}'s."))
        for name, each in platforms
    }
    # The keys of the last base come first.
    own = (each.GLOBALS for _, each in reversed(platforms) if each.GLOBALS is not Model)
    bases: tuple[type[Global], ...] = (Global, *own)
    common = create_model("Global", __base__=bases, __doc__=Global.__doc__)
    receiver = create_model("Receiver", __base__=Receiver, __doc__=Receiver.__doc__, **entries)
    limits = create_model(
        "LimitsConfig", __base__=LimitsConfig, __doc__=LimitsConfig.__doc__, **rates
    )
    model = create_model(
        "File",
        __base__=File,
        __doc__=File.__doc__,
        global_=(common, _like("global_", common())),
        limits=(limits, _like("limits", limits())),
        receivers=(Many[receiver], _like("receivers", ...)),
    )
    receiver.platforms = model.platforms = dict(platforms)
    return model


def _like(name: str, default: Any) -> Any:
    """The field of `File`, with another default (`...`: it is required)."""
    said = File.model_fields[name]
    return Field(default, alias=said.alias, description=said.description)
