"""The model of a receiver in relay.yml. The entries of its chats are the platforms'."""

from collections.abc import Iterator
from typing import ClassVar

from relay.config.schema_acting import Escalate
from relay.platforms.contract import Platforms
from relay.platforms.entry import Entry, Loc, Shared

# Alertmanager's other senders (its config/config.go)
_OTHERS = (
    "email", "incidentio", "jira", "mattermost", "msteams", "msteamsv2", "opsgenie", "pagerduty",
    "pushover",
    "rocketchat", "slack", "sns", "victorops", "webex", "webhook", "wechat",
)  # fmt: skip


class Receiver(Shared):
    """A receiver: its name for routes, and its chats."""

    platforms: ClassVar[Platforms] = {}
    advice: ClassVar[dict[str, str]] = dict.fromkeys(
        (f"{sender}_configs" for sender in _OTHERS), ": this sender stays in alertmanager.yml"
    )

    name: str
    """Name in routes."""
    discard: bool = False
    """The receiver has no chats on purpose; alerts that reach it are discarded and counted."""
    escalate: Escalate | None = None
    """What happens to alerts that nobody takes."""

    def entries(self) -> Iterator[tuple[str, Loc, Entry]]:
        """Its chats: platform, path of the entry below the receiver, entry."""
        for platform in self.platforms:
            key = entries_key(platform)
            entries: tuple[Entry, ...] = getattr(self, key)
            for index, entry in enumerate(entries):
                yield platform, (key, index), entry


def entries_key(platform: str) -> str:
    """The key of a receiver with the platform's chats, in Alertmanager's form."""
    return f"{platform}_configs"
