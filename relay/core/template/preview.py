"""The cards that a payload would make in a chat that shows nothing yet."""

from collections.abc import Iterator, Sequence

from relay.core.alert import Notification
from relay.core.card.card import Card, Head
from relay.core.card.fold import Arriving, fold
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Post
from relay.core.card.view import View
from relay.core.routing.lane import Policy
from relay.core.routing.matcher import Matcher, matches
from relay.core.template.build_view import build_view

STEP = Post(silent=False)
"""The call of a preview: the first message of a card."""


def views(
    parts: Sequence[Notification], policy: Policy, when: tuple[Matcher, ...], now: float
) -> Iterator[View]:
    """The cards that a chat with this policy, which accepts the alerts that match `when`, would
    show for the parts of one payload at `now` (Unix seconds): one view each.
    """
    alerts = [alert for part in parts for alert in part.alerts if matches(when, alert.labels)]
    cards = (
        [(alert,) for alert in alerts]
        if policy.per == "alert"
        else [tuple(alerts)]
        if alerts
        else []
    )
    for shown in cards:
        head = _head(parts[0])
        arriving = Arriving(1, now, head, shown, last=True, whole=head.truncated == 0)
        card = fold(Card(parts[0].group, "", policy.receiver), (arriving,), policy).card
        yield build_view(card, LaneState(), STEP, policy, now)


def _head(notification: Notification) -> Head:
    return Head(
        group_labels=notification.group_labels,
        route_labels=notification.route_labels,
        external_url=notification.external_url,
        reason=notification.reason,
        truncated=notification.truncated,
        state=notification.state,
    )
