"""A drill: what `send-test` shows a chat. A sample of just now, which says before anything else
that it is a test.
"""

from msgspec.structs import replace

from relay.core.card.view import AlertView, View
from relay.core.routing.lane import Platform, Policy
from relay.core.template.sample import VIEWS
from relay.core.text.message import EMPTY, Message
from relay.core.text.richtext import RichText, concat, styled
from relay.core.text.texts import language

_SAMPLE = VIEWS["one"]
_MARKS = {
    "en": "TEST of alert-relay: no alert, nothing to do. A sample follows.",
    "fr": "TEST d'alert-relay : aucune alerte, rien à faire. Un exemple suit.",
}


def drill_view(policy: Policy, now: float) -> View:
    """The sample as if it had begun to fire two minutes before `now`."""
    by = now - _SAMPLE.now
    alerts = tuple(_moved(alert, by) for alert in _SAMPLE.alerts)
    return replace(
        _SAMPLE, receiver=policy.receiver, alerts=alerts, now=now, since=_SAMPLE.since + by
    )


def marked(message: Message, platform: Platform, policy: Policy) -> Message:
    """The message with the mark of a test as its first words, wherever the platform shows those."""
    mark = styled("bold", _MARKS[language(policy.language)])
    if platform == "discord":
        return replace(message, content=_under(mark, message.content))
    shown = (part for part in (message.body, message.title, message.content) if part.text.strip())
    return replace(message, body=_under(mark, next(shown, EMPTY)))


def _under(mark: RichText, rest: RichText) -> RichText:
    return concat([mark, "\n", rest]) if rest.text else mark


def _moved(alert: AlertView, by: float) -> AlertView:
    return replace(alert, starts_at=alert.starts_at + by)
