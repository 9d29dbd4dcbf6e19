"""The configuration of acting: people, rules, Alertmanagers, escalations, heartbeats."""

from typing import Literal

from msgspec import Struct

from relay.core.routing.lane import HttpOptions
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret

Right = Literal["take", "silence", "silence_wide"]
RIGHTS: tuple[Right, ...] = ("take", "silence", "silence_wide")
DAY = 86400.0


class Person(Struct, frozen=True):
    """One person on both platforms: the name that cards show, and the numeric ids, empty where
    unknown.
    """

    name: str
    telegram: str = ""
    discord: str = ""

    def id_on(self, platform: str) -> str:
        """The person's numeric id on a platform; empty where the configuration names none."""
        return {"telegram": self.telegram, "discord": self.discord}.get(platform, "")


class Everyone(Struct, frozen=True, tag=True):
    """Whoever can press a button in the chat."""


class ChatAdmins(Struct, frozen=True, tag=True):
    """The administrators of the Telegram chat that the message stands in."""


class RoleId(Struct, frozen=True, tag=True):
    """Whoever has a Discord role, by its id."""

    id: str


class UserId(Struct, frozen=True, tag=True):
    """One user of a platform, by the numeric id."""

    platform: str
    id: str


class Named(Struct, frozen=True, tag=True):
    """A person of the configuration."""

    person: Person


Who = Everyone | ChatAdmins | RoleId | UserId | Named


class ActionRule(Struct, frozen=True):
    """Who may do what with which alerts. `longest` bounds a silence, in seconds. `words` are those
    of the configuration for `who`.
    """

    who: tuple[Who, ...]
    may: frozenset[Right]
    matchers: tuple[Matcher, ...] = ()
    longest: float = DAY
    words: tuple[str, ...] = ()


class Header(Struct, frozen=True):
    """A header that every request to an Alertmanager carries."""

    name: str
    value: Secret


class AlertmanagerConfig(Struct, frozen=True):
    """The Alertmanager cluster that posts as `source`: addresses of its peers, with path prefix,
    and how often it is read, in seconds.
    """

    source: str
    urls: tuple[str, ...]
    poll_interval: float = 45.0
    http: HttpOptions = HttpOptions()
    headers: tuple[Header, ...] = ()


class EscalationStep(Struct, frozen=True):
    """What happens `after` seconds without a holder: a ringing reply that mentions people, or
    deliveries to another receiver. One of the two is empty.
    """

    after: float
    mention: tuple[Who, ...] = ()
    receiver: str = ""


class Escalation(Struct, frozen=True):
    """How alerts of a receiver that nobody takes become louder. The last step is repeated `times`
    times `every` seconds; a take is asked again after `taken_for` seconds. 0.0: never.
    """

    matchers: tuple[Matcher, ...]
    steps: tuple[EscalationStep, ...]
    every: float = 0.0
    times: int = 0
    taken_for: float = 0.0


class HeartbeatConfig(Struct, frozen=True):
    """An alert that has to arrive `every` seconds; it is lost `grace` seconds after that. Each set
    of values of the labels `by` is a heartbeat of its own. `ping_url` gets one GET each `every`
    while all is well.
    """

    name: str
    matchers: tuple[Matcher, ...]
    source: str = ""
    every: float = 60.0
    grace: float = 300.0
    by: tuple[str, ...] = ()
    receiver: str = ""
    ping_url: Secret | None = None


class ActionConfig(Struct, frozen=True):
    """What may be done from a chat: `rules` in order, and the durations of the silence buttons in
    seconds.
    """

    rules: tuple[ActionRule, ...]
    silences: tuple[float, ...] = (3600.0, 14400.0)


class DiscordBot(Struct, frozen=True):
    """The Discord bot: API address, the id of its user, and how the presses of people reach it.
    `application` and `public_key` (hexadecimal) are set where they come by POST.
    """

    api: str
    account: str
    token: Secret
    http: HttpOptions
    interactions: Literal["gateway", "endpoint"] = "gateway"
    application: str = ""
    public_key: str = ""


class ActingConfig(Struct, frozen=True):
    """All that the configuration says of acting. The default: nothing of it is on.

    `escalations` are by receiver, `alertmanagers` by source.
    """

    people: tuple[Person, ...] = ()
    actions: ActionConfig | None = None
    alertmanagers: dict[str, AlertmanagerConfig] = {}
    escalations: dict[str, Escalation] = {}
    heartbeats: tuple[HeartbeatConfig, ...] = ()
    discord: DiscordBot | None = None

    @property
    def is_on(self) -> bool:
        """Buttons are shown."""
        return self.actions is not None

    @property
    def is_used(self) -> bool:
        """Cards may say something of acting."""
        return bool(self.actions or self.alertmanagers or self.escalations or self.heartbeats)
