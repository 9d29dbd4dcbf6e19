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
"""The name of a platform; the registry of `relay/platforms` says which there are."""


class LaneKey(Struct, frozen=True, order=True):
    """What a lane is known by, in the store and everywhere: nothing secret in it.

    `api` is the API address, `account` the bot's or webhook's id, `chat` the chat id (empty on
    Discord, where the webhook decides), `thread` a topic or thread id, `name:TITLE` for a forum
    post to be made, or empty.
    """

    platform: Platform
    api: str
    account: str
    chat: str
    thread: str = ""


class HttpOptions(Struct, frozen=True):
    """How requests of an endpoint travel: Alertmanager's `http_config`, as far as it makes sense
    for a chat API.
    """

    proxy_url: Secret | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False


class Endpoint(Struct, frozen=True):
    """A lane and what it takes to call it: `secret` is the bot token, or the webhook URL. `guild`
    is the Discord server of a webhook, once an answer named it. `former` is the webhook that wrote
    to a channel which the bot has taken over: it edits what it once wrote."""

    lane: LaneKey
    secret: Secret
    http: HttpOptions = HttpOptions()
    guild: str = ""
    former: Secret | None = None

    @property
    def secrets(self) -> Iterator[Secret]:
        """What nobody may read: the token or URL, what ends it, the proxy and its password."""
        yield self.secret
        yield Secret(self.secret.reveal().rpartition("/")[2].rpartition(":")[2])
        if self.former:
            yield from (self.former, Secret(self.former.reveal().rpartition("/")[2]))
        if self.http.proxy_url:
            password = urlsplit(self.http.proxy_url.reveal()).password or ""
            yield from (self.http.proxy_url, Secret(password), Secret(unquote(password)))


class LinkRewrite(Struct, frozen=True):
    """An internal address prefix and the address that works from outside in its place."""

    match: str
    replace: str


class MentionRule(Struct, frozen=True):
    """Who is told when a new firing alert matches."""

    matchers: tuple[Matcher, ...]
    mention: Mention


class Lifecycle(Struct, frozen=True):
    """Which changes of a card get which sign; the defaults are those of MESSAGES.md."""

    reply_joined: bool = True
    reply_repeated: bool = True
    reply_resolved: bool = True
    reopen_window: float = 1800.0


class Policy(Struct, frozen=True):
    """How one receiver wants its cards in one chat. Durations are seconds, `muted_until` is Unix
    seconds; `fallback_after` 0 is never. Labels named in `identity_ignores` do not tell one alert
    from another.
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
    """One chat of one receiver: where it is and how it wants its messages. `place` is FILE:LINE of
    its entry.

    `when` says which alerts of the receiver it takes, for a chat that a label chooses; all of them
    when empty.
    """

    endpoint: Endpoint
    policy: Policy
    place: str = ""
    when: tuple[Matcher, ...] = ()

    @property
    def lane(self) -> LaneKey:
        """The lane it delivers to."""
        return self.endpoint.lane
