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
    """A person on both platforms: the name that cards show, and the numeric ids, empty if
    unknown.
    """

    name: str
    telegram: str = ""
    discord: str = ""

    def id_on(self, platform: str) -> str:
        """The person's numeric id on a platform; empty if the configuration has none."""
        return {"telegram": self.telegram, "discord": self.discord}.get(platform, "")


class Everyone(Struct, frozen=True, tag=True):
    """Everyone who can press a button in the chat."""


class ChatAdmins(Struct, frozen=True, tag=True):
    """The administrators of the message's Telegram chat."""


class RoleId(Struct, frozen=True, tag=True):
    """Everyone who has a Discord role, by the role's id."""

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
    """Who may do what with which alerts. `longest` limits a silence, in seconds. `words` are the
    configuration's for `who`.
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
    """The Alertmanager cluster that posts as `source`: the addresses of its peers, with path
    prefix, and every how many seconds it is polled.
    """

    source: str
    urls: tuple[str, ...]
    poll_interval: float = 45.0
    http: HttpOptions = HttpOptions()
    headers: tuple[Header, ...] = ()


class EscalationStep(Struct, frozen=True):
    """The act of an escalation `after` seconds without a holder: a ringing reply that mentions
    people, or deliveries to another receiver. One of the two is empty.
    """

    after: float
    mention: tuple[Who, ...] = ()
    receiver: str = ""


class Escalation(Struct, frozen=True):
    """The escalation of a receiver's alerts that nobody takes. The last step is repeated `times`
    times, `every` seconds; a holder is asked again after `taken_for` seconds. 0.0: never.
    """

    matchers: tuple[Matcher, ...]
    steps: tuple[EscalationStep, ...]
    every: float = 0.0
    times: int = 0
    taken_for: float = 0.0


class HeartbeatConfig(Struct, frozen=True):
    """An alert that has to arrive every `every` seconds; it is lost `grace` seconds after a missing
    one. Each set of values of the labels `by` is a heartbeat of its own. `ping_url` gets one GET
    each `every` seconds while all is well.
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
    """The actions in a chat: `rules` in order, and the durations of the silence buttons in
    seconds.
    """

    rules: tuple[ActionRule, ...]
    silences: tuple[float, ...] = (3600.0, 14400.0)


class DiscordBot(Struct, frozen=True):
    """The Discord bot: API address, the id of its user, and how people's presses reach it.
    `application` and `public_key` (hexadecimal) are set if they arrive by POST.
    """

    api: str
    account: str
    token: Secret
    http: HttpOptions
    interactions: Literal["gateway", "endpoint"] = "gateway"
    application: str = ""
    public_key: str = ""


class ActingConfig(Struct, frozen=True):
    """Everything that the configuration says about acting. By default all of it is off.

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
        """Whether buttons are shown."""
        return self.actions is not None

    @property
    def is_used(self) -> bool:
        """Whether cards may show something about acting."""
        return bool(self.actions or self.alertmanagers or self.escalations or self.heartbeats)
