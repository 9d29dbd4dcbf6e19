"""The whole list: a text file with every alert of a card, for a chat whose message cannot show them
all.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from relay.core.card.card import Card, OwedReply
from relay.core.card.step import Reply, Step
from relay.core.card.view import AlertView, View
from relay.core.routing.lane import Policy
from relay.core.template import labels_shown as telling
from relay.core.text.message import Attachment, Message
from relay.core.text.times import Reader

NAME = "alerts.txt"
MOST = 2 * 1024 * 1024  # characters, of four bytes at most: Discord takes 10 MiB
_LONGEST_VALUE = 1000
_MOMENT = "2006-01-02 15:04:05 MST"  # a Go layout, as in templates


def owe_document(
    card: Card, step: Step, counted: Sequence[str], policy: Policy, now: float
) -> Card:
    """The card after `step` showed it. If alerts were only `counted`, it owes the whole list, once
    a round.
    """
    if policy.overflow != "document" or card.listed or not counted or isinstance(step, Reply):
        return card
    return replace(card, listed=True, owed=(*card.owed, OwedReply("document", (), now)))


def listing(view: View, policy: Policy) -> Message:
    """A line with the number of alerts, and the file: a paragraph for each alert, in the order of
    the card.
    """
    reader = Reader(policy.language, policy.timezone, view.now)
    text, size = [], 0
    for number, alert in enumerate(view.alerts):
        paragraph = "\n".join(_paragraph(alert, reader)) + "\n"
        size += len(paragraph)
        if size > MOST:
            text.append(reader.say("others", len(view.alerts) - number).text + "\n")
            break
        text.append(paragraph)
    body = reader.say("alerts", len(view.alerts))
    return Message(body=body, file=Attachment(NAME, "\n".join(text)))


def _paragraph(alert: AlertView, reader: Reader) -> Iterator[str]:
    """State, name and times in the first line, then all labels and annotations, each in a line."""
    severity, name = alert.labels.get("severity", ""), alert.labels.get("alertname", "")
    state = severity if alert.status == "firing" and severity else reader.say(alert.status).text
    times = (reader.time(at).date(_MOMENT) for at in (alert.starts_at, alert.ends_at or 0.0))
    head = (
        f"{telling.mark(alert.status, severity)} {_value(state)} "
        f"{_value(name) or reader.say('unnamed').text}"
    )
    yield " · ".join(filter(None, (head, " – ".join(filter(None, times)))))
    rest = {
        key: value for key, value in alert.labels.items() if key not in ("alertname", "severity")
    }
    for key, value in (*sorted(rest.items()), *sorted(alert.annotations.items())):
        yield f"    {_value(key)}: {_value(value)}"


def _value(value: str) -> str:
    line = telling.one_line(value[: 2 * _LONGEST_VALUE])
    return line if len(value) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]} …"
