"""The models of acting in relay.yml: Alertmanagers, people, rights, escalation and heartbeats."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from relay.platforms.entry import HttpConfig
from relay.platforms.scalar import Address, Duration, Many, Model, SecretText, Text, Texts


class Authorization(Model):
    """Alertmanager's `authorization`: the header of that name."""

    type: str = "Bearer"
    """The first word of the header."""
    credentials: SecretText | None = None
    """The rest of the header; better in a file."""
    credentials_file: str | None = None
    """File that holds the credentials."""


class BasicAuth(Model):
    """Alertmanager's `basic_auth`."""

    username: str = ""
    """User name."""
    password: SecretText | None = None
    """Password; better in a file."""
    password_file: str | None = None
    """File that holds the password."""


class HttpHeader(Model):
    """Values of a header, as in Alertmanager's `http_headers`."""

    values: Texts = ()
    """Values that are no secrets."""
    secrets: Many[SecretText] = ()
    """Secret values; better in files."""
    files: Texts = ()
    """Files that hold one value each."""


class ApiHttpConfig(HttpConfig):
    """Alertmanager's `http_config`: how requests to its API are made."""

    authorization: Authorization | None = None
    """Header `Authorization`."""
    basic_auth: BasicAuth | None = None
    """User and password."""
    http_headers: dict[str, HttpHeader] = Field({})
    """Headers by name."""


class Alertmanager(Model):
    """An Alertmanager cluster whose silences are written and read."""

    source: Text = ""
    """The source whose alerts it posts: NAME of `/alerts/NAME`; empty for `/alerts`."""
    urls: Many[Address]
    """Addresses of its peers, with path prefix."""
    poll_interval: Duration | None = None
    """How often suppressed alerts and silences are read (45s)."""
    http_config: ApiHttpConfig | None = None
    """How requests are made."""


class PersonConfig(Model):
    """One person on both platforms."""

    name: str
    """Name on cards, and in rules and mentions."""
    telegram: Text = ""
    """Numeric id of the Telegram user."""
    discord: Text = ""
    """Numeric id of the Discord user."""


class Rule(Model):
    """Who may do what with which alerts. The first rule that matches decides."""

    who: Texts
    """Names of `people`, `everyone`, `telegram_chat_admins`, `discord_role:ID`, `discord_user:ID`,
    `telegram_user:ID`."""
    may: Texts
    """`take`, `silence`, `silence_wide` (more than the alerts of the card)."""
    matchers: Texts = ()
    """The alerts, by matchers that must all match."""
    longest: Duration | None = None
    """The longest silence (24h)."""


class Actions(Model):
    """What people may do from the chat."""

    rules: Many[Rule] = ()
    """Rights. Without a rule that matches nothing is allowed."""
    silences: Annotated[Many[Duration], Field(min_length=1, max_length=3)] | None = None
    """Durations of the silence buttons (1h and 4h)."""


class StepConfig(Model):
    """A step of an escalation: people who are mentioned, or another receiver."""

    after: Duration
    """When it comes, counted from the first message that a chat accepted."""
    mention: Texts = ()
    """Who is mentioned, in the words of `who`."""
    receiver: str | None = None
    """Receiver that gets the alert as well."""


class Repeat(Model):
    """How often the last step is repeated."""

    every: Duration
    """The time between."""
    times: int = 1
    """How many times."""


class Escalate(Model):
    """What happens to alerts that nobody takes."""

    matchers: Texts = ()
    """The alerts, by matchers that must all match."""
    steps: Many[StepConfig]
    """Steps in order."""
    repeat: Repeat | None = None
    """How often the last step is repeated."""
    taken_for: Duration | None = None
    """After this time the holder is asked again, once."""


class HeartbeatModel(Model):
    """An alert that has to arrive again and again, such as Watchdog."""

    name: str
    """Name in messages."""
    matchers: Texts
    """The alerts, by matchers that must all match."""
    source: Text = ""
    """The source that posts it."""
    every: Duration | None = None
    """How often it arrives: the `repeat_interval` of its route in Alertmanager (1m)."""
    grace: Duration | None = None
    """How long after a missing arrival it is lost (5m)."""
    by: Texts = ()
    """Labels, each set of whose values is a heartbeat of its own."""
    receiver: str | None = None
    """Receiver that is told; default: `notices_receiver`."""
    ping_url_file: str | None = None
    """File that holds an address, which gets one GET each `every` while all is well."""


def secret_files(
    alertmanagers: Iterable[Alertmanager], heartbeats: Iterable[HeartbeatModel]
) -> Iterator[str]:
    """The files with the secrets of Alertmanagers and pings."""
    for each in alertmanagers:
        http = each.http_config
        if http is None:
            continue
        if http.authorization:
            yield from filter(None, (http.authorization.credentials_file,))
        if http.basic_auth:
            yield from filter(None, (http.basic_auth.password_file,))
        for header in http.http_headers.values():
            yield from header.files
    for heartbeat in heartbeats:
        yield from filter(None, (heartbeat.ping_url_file,))
