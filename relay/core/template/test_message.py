"""The test message of `send-test`: a sample with the present time, whose first words say that it is
a test.
"""

from msgspec.structs import replace

from relay.core.card.view import AlertView, View
from relay.core.routing.lane import Policy
from relay.core.template.sample import VIEWS
from relay.core.text.richtext import RichText, styled
from relay.core.text.texts import language

_SAMPLE = VIEWS["one"]
_MARKS = {
    "en": "TEST of alert-relay: no alert, nothing to do. A sample follows.",
    "fr": "TEST d'alert-relay : aucune alerte, rien à faire. Un exemple suit.",
}


def view_of_test_message(policy: Policy, now: float) -> View:
    """The sample as if it had begun to fire two minutes before `now`."""
    by = now - _SAMPLE.now
    alerts = tuple(_moved(alert, by) for alert in _SAMPLE.alerts)
    return replace(
        _SAMPLE, receiver=policy.receiver, alerts=alerts, now=now, since=_SAMPLE.since + by
    )


def banner(policy: Policy) -> RichText:
    """The words at the beginning of a test message."""
    return styled("bold", _MARKS[language(policy.language)])


def _moved(alert: AlertView, by: float) -> AlertView:
    return replace(alert, starts_at=alert.starts_at + by)
