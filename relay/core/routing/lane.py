"""A lane: one chat as one bot or webhook reaches it, with the policy of the receiver that uses
it.
"""

from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from relay.core.routing.interval import TimeInterval
from relay.core.routing.matcher import Matcher
from relay.core.secret import Secret
from relay.core.text.markup import MarkupName
from relay.core.text.message import Mention

Platform = str
"""The name of a platform. The registry of `relay/platforms` has them all."""


class LaneKey(Struct, frozen=True, order=True):
    """The identity of a lane, without secrets. `api` is the API address, `account` the bot's or
    webhook's id, `chat` the chat id (empty on Discord, where the webhook decides), `thread` a topic
    or thread id, `name:TITLE` for a forum post to be made, or empty.
    """

    platform: Platform
    api: str
    account: str
    chat: str
    thread: str = ""


class HttpOptions(Struct, frozen=True):
    """How requests of an endpoint travel: those keys of Alertmanager's `http_config` that make
    sense for a chat API.
    """

    proxy_url: Secret | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False


class Endpoint(Struct, frozen=True):
    """A lane with the values that a call needs: `secret` is the bot token or the webhook URL,
    `guild` the Discord server, once an answer named it. `kind` decides which buttons its messages
    can have, once an answer named it. `former` is the webhook whose channel the bot has taken over;
    it still edits the messages that it wrote.
    """

    lane: LaneKey
    secret: Secret
    http: HttpOptions = HttpOptions()
    guild: str = ""
    kind: str = ""
    former: "Endpoint | None" = None

    @property
    def secrets(self) -> Iterator[Secret]:
        """The texts that no output may contain: the token or URL, its end, the proxy and its
        password.
        """
        yield self.secret
        yield Secret(self.secret.reveal().rpartition("/")[2].rpartition(":")[2])
        if self.former:
            yield from self.former.secrets
        if self.http.proxy_url:
            password = urlsplit(self.http.proxy_url.reveal()).password or ""
            yield from (self.http.proxy_url, Secret(password), Secret(unquote(password)))


class LinkRewrite(Struct, frozen=True):
    """An internal address prefix, and the address outside that replaces it."""

    match: str
    replace: str


class MentionRule(Struct, frozen=True):
    """The user or role to mention if a new firing alert matches."""

    matchers: tuple[Matcher, ...]
    mention: Mention


class Lifecycle(Struct, frozen=True):
    """Which changes of a card get a reply. `reopen_window` is in seconds."""

    reply_joined: bool = True
    reply_repeated: bool = True
    reply_resolved: bool = True
    reopen_window: float = 1800.0


class Policy(Struct, frozen=True):
    """The settings of one receiver for its cards in one chat. Durations are seconds, `muted_until`
    is Unix seconds; `fallback_after` 0 means never. Labels in `identity_ignores` do not tell one
    alert from another.
    """

    receiver: str
    template: str
    markup: MarkupName
    send_resolved: bool = True
    silent: bool = False
    per: Literal["group", "alert"] = "group"
    lifecycle: Lifecycle = Lifecycle()
    quiet: tuple[TimeInterval, ...] = ()
    urgent: tuple[Matcher, ...] = ()
    fallback: str = ""
    mentions: tuple[MentionRule, ...] = ()
    link_rewrites: tuple[LinkRewrite, ...] = ()
    overflow: Literal["count", "document"] = "count"
    language: str = "en"
    timezone: str = "UTC"
    username: str = ""
    avatar_url: str = ""
    dedup_window: float = 120.0
    digest_after: float = 60.0
    late_hold: float = 45.0
    identity_ignores: frozenset[str] = frozenset()
    stale_after: float = 25 * 3600.0
    expire_after: float = 24 * 3600.0
    fallback_after: float = 0.0
    muted_until: float = 0.0


class Target(Struct, frozen=True):
    """One chat of one receiver: its endpoint and the policy of its messages. `place` is FILE:LINE
    of its entry. `when` are the matchers of the alerts that it takes, if a label chooses the chat;
    empty means all.
    """

    endpoint: Endpoint
    policy: Policy
    place: str = ""
    when: tuple[Matcher, ...] = ()

    @property
    def lane(self) -> LaneKey:
        """The lane of the endpoint."""
        return self.endpoint.lane
