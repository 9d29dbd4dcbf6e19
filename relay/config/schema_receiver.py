"""The model of a receiver in relay.yml; the entries of its chats are the platforms' own."""

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
    """A name that routes lead to, and the chats behind it."""

    platforms: ClassVar[Platforms] = {}
    advice: ClassVar[dict[str, str]] = dict.fromkeys(
        (f"{sender}_configs" for sender in _OTHERS), ": this sender stays in alertmanager.yml"
    )

    name: str
    """What routes call it."""
    discard: bool = False
    """It has no chats on purpose: what reaches it is discarded, and counted."""
    escalate: Escalate | None = None
    """What happens with alerts that nobody takes."""

    def entries(self) -> Iterator[tuple[str, Loc, Entry]]:
        """Its chats: the platform of each, the path of its entry below the receiver's, the
        entry.
        """
        for platform in self.platforms:
            key = entries_key(platform)
            entries: tuple[Entry, ...] = getattr(self, key)
            for index, entry in enumerate(entries):
                yield platform, (key, index), entry


def entries_key(platform: str) -> str:
    """The key of a receiver that holds the platform's chats, as Alertmanager names it."""
    return f"{platform}_configs"
