"""The view of a card for templates: only values, computed once, the same for every platform."""

from typing import Literal

from msgspec import Struct

from relay.core.alert import Labels

Change = Literal["fired", "grew", "shrank", "resolved", "repeated", "again"]
ShownStatus = Literal["firing", "resolved", "gone"]


class AlertView(Struct, frozen=True):
    """One alert of a card. `joined`: it is new since the card was last shown. `returned`: it comes
    back after it was no longer reported. `was` is the severity that it had before it rose, since
    `was_since`. Its line also stands for its `twins`. `given` is its sender's fingerprint, if that
    is different. Times are Unix seconds, 0.0 unknown.
    """

    status: ShownStatus
    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float | None
    generator_url: str
    fingerprint: str
    joined: bool = False
    returned: bool = False
    was: str = ""
    was_since: float = 0.0
    twins: tuple["Twin", ...] = ()
    given: str = ""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of all alerts that its line stands for."""
        return (self.fingerprint, *(twin.fingerprint for twin in self.twins))

    @property
    def firing_labels(self) -> tuple[Labels, ...]:
        """The labels of those that fire among them."""
        own = (self.labels,) if self.status == "firing" else ()
        return (*own, *(twin.labels for twin in self.twins if twin.status == "firing"))


class Twin(Struct, frozen=True):
    """An alert that is the same thing as another one and has no line of its own: at another
    severity, or from another replica of Prometheus.
    """

    fingerprint: str
    status: ShownStatus
    labels: Labels


EPISODES_KEPT = 7 * 86400.0  # seconds after its end for which an episode is remembered


class Episode(Struct, frozen=True):
    """An earlier span of firing of the alert, Unix seconds."""

    started_at: float
    ended_at: float


class Memory(Struct, frozen=True):
    """The episodes of a card's alert within the last seven days (same source and labels), the
    oldest first, without the present one.
    """

    episodes: tuple[Episode, ...] = ()


class Round(Struct, frozen=True):
    """An earlier round of this card, Unix seconds."""

    started_at: float
    ended_at: float


class Late(Struct, frozen=True):
    """The lateness of a message: `seconds` after acceptance; `why` names the cause, between `since`
    and `until`. `per_minute` is the number of messages that the chat takes, if that is the cause
    (`pace`).
    """

    seconds: float
    why: Literal["unreachable", "rate_limited", "refused", "restarted", "pace"]
    since: float
    until: float
    per_minute: int = 0


class WentOn(Struct, frozen=True):
    """Alerts (fingerprints) of a card that are no longer reported there but fire on another card of
    the chat; `link` is the address of its message, empty if the platform has none.
    """

    alerts: tuple[str, ...]
    link: str


class View(Struct, frozen=True):
    """A card as a template sees it. `alerts` are sorted by urgency: firing before gone before
    resolved, then severity, then the oldest. `since` is when the present round began, `until` when
    it ended (None: it fires). `fallback_for` is the receiver that a fallback's card is for, else
    empty.
    """

    receiver: str
    status: ShownStatus
    alerts: tuple[AlertView, ...]
    group_labels: Labels
    common_labels: Labels
    common_annotations: Labels
    route_labels: Labels
    external_url: str
    notification_reason: str
    truncated_alerts: int
    group_key: str
    change: Change
    now: float
    since: float
    until: float | None
    rounds: tuple[Round, ...] = ()
    late: Late | None = None
    stale: bool = False
    may_be_repeated: bool = False
    about: tuple[AlertView, ...] = ()
    fallback_for: str = ""
    memory: Memory = Memory()
    went_on: tuple[WentOn, ...] = ()
