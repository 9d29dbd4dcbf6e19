"""What templates can name: a view made ready once, told in as many shapes as fitting takes."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from relay.core.card.step import ReplyKind
from relay.core.card.view import AlertView, Late, View
from relay.core.routing.lane import Policy
from relay.core.template import labels_shown as telling
from relay.core.template.links import Links, links
from relay.core.template.objects import Alert, Alerts, Counts, Hidden, Labels
from relay.core.template.sandbox import nearest, shown
from relay.core.text.richtext import RichText, join
from relay.core.text.texts import CATALOGUE, ordinal
from relay.core.text.times import Reader

MOST_SHOWN = 100  # Telegram takes 100 entities, and no reader takes more lines
_MOST_NAMES = 2
_MOST_ABOUT = 3


class ContextShape(Struct, frozen=True):
    """How much of a view is told: the first `full` alerts in full, up to `shown` in short, the rest
    as a count; values of at most `limit` characters."""

    full: int
    shown: int
    limit: int


class TemplateContext:
    """A view made ready for templates: computed once, then told in as many shapes as fitting
    takes.
    """

    def __init__(self, view: View, policy: Policy, reply: ReplyKind | None) -> None:
        """The view of one card under the policy of the receiver that reads it."""
        self.view, self.policy = view, policy
        self.reader = Reader(policy.language, policy.timezone, view.now)
        self._visible = view.alerts[:MOST_SHOWN]
        self._totals = Counter(dict(telling.severities(view.alerts)))
        self._alerts = self._told(self._visible)
        self._brief = self._told(self._visible, brief=True)
        self._fixed = self._names(reply or "")

    def names(self, context_shape: ContextShape) -> dict[str, object]:
        """All that a template can name, for that shape."""
        told = (
            *self._alerts[: context_shape.full],
            *self._brief[context_shape.full : context_shape.shown],
        )
        hidden = self._hidden(len(told))
        alerts = Alerts(told)
        alerts.more = int(hidden)
        return {
            **self._fixed,
            "alerts": alerts,
            "Alerts": alerts,
            "hidden": hidden,
            "more": self._more(hidden),
        }

    @property
    def said(self) -> str:
        """The summary that all alerts share; empty when they differ or there is none but the
        name.
        """
        summaries = {telling.summary(alert.annotations, "") for alert in self._visible}
        return summaries.pop() if len(summaries) == 1 else ""

    def _told(self, alerts: Iterable[AlertView], *, brief: bool = False) -> Alerts:
        keys = telling.telling_keys(self._visible, self.view.group_labels, self.view.common_labels)
        said = self.said
        return Alerts(Alert(alert, keys, said, self.reader, brief=brief) for alert in alerts)

    def _hidden(self, shown: int) -> Hidden:
        hidden = Hidden(len(self.view.alerts) - shown)
        rest = self._totals - Counter(dict(telling.severities(self._visible[:shown])))
        words = (f"{rest[key]} {self._word(key)}" for key in self._totals if rest[key])
        hidden.by_severity = list(words) if hidden else []
        return hidden

    def _more(self, hidden: Hidden) -> RichText | str:
        """How many more there are, and how many of each kind; of one kind only, its word."""
        parts = hidden.by_severity
        if len(parts) == 1:
            parts = [parts[0].removeprefix(f"{int(hidden)} ")]
        return self.reader.say("more", int(hidden), parts=", ".join(parts)) if hidden else ""

    def _word(self, key: str) -> str:
        return self.reader.say(key).text if key in ("firing", "resolved", "gone") else key

    def _names(self, reply: str) -> dict[str, object]:
        view, reader = self.view, self.reader
        severity = next((alert.severity for alert in self._alerts if alert.status == "firing"), "")
        mark = telling.mark(view.status, severity)
        about = self._told(view.about[:_MOST_ABOUT])
        about.more = len(view.about) - len(about)
        common = Labels(view.common_annotations)
        return {
            **self._payload(),
            "change": view.change,
            "reply": reply,
            "about": about,
            "mark": mark,
            "color": telling.color(mark),
            "severity": severity,
            "state": severity if view.status == "firing" and severity else self._word(view.status),
            "name": self._name(),
            "where": telling.where(view),
            "summary": self.said,
            "description": ""
            if common.description.strip() == self.said
            else common.description.strip(),
            "counts": self._counts(),
            "links": self._links(),
            "since": reader.time(view.since),
            "until": reader.time(view.until or 0.0),
            "age": reader.age(view.since, view.until),
            "now": reader.time(view.now),
            "again": self._again(),
            "over": self._over(),
            "late": lateness(view.late, reader),
            "notes": self.notes,
            "t": self._say,
        }

    def _payload(self) -> dict[str, object]:
        """The names of the payload, and Alertmanager's spellings of them."""
        view = self.view
        names: dict[str, object] = {
            "receiver": view.receiver,
            "status": view.status,
            "group_labels": Labels(view.group_labels),
            "common_labels": Labels(view.common_labels),
            "common_annotations": Labels(view.common_annotations),
            "route_labels": Labels(view.route_labels),
            "external_url": view.external_url,
            "notification_reason": view.notification_reason,
            "truncated_alerts": view.truncated_alerts,
            "group_key": view.group_key,
        }
        return names | {_alias(name): value for name, value in names.items()}

    def _say(self, key: str, n: int | None = None, **values: object) -> RichText:
        """A text of the catalogue: `t("since", start=alert.starts_at, age=alert.age)`."""
        if key not in CATALOGUE:
            raise ValueError(f"no text {key!r}{nearest(key, CATALOGUE)}")
        return self.reader.say(key, n, **{name: shown(value) for name, value in values.items()})

    def _counts(self) -> Counts:
        found = Counter(alert.status for alert in self.view.alerts)
        return Counts(found["firing"], found["resolved"], found["gone"], len(self.view.alerts))

    def _name(self) -> str:
        names = telling.names(self.view.alerts, self.view.status)
        unnamed = self.reader.say("unnamed").text
        first = ", ".join(name or unnamed for name in names[:_MOST_NAMES]) or unnamed
        rest = len(names) - _MOST_NAMES
        return self.reader.say("names_more", rest, names=first).text if rest > 0 else first

    def _links(self) -> Links:
        return links(self.view, self._visible, self.policy.link_rewrites, self.reader)

    def _again(self) -> RichText | str:
        view, reader = self.view, self.reader
        if not view.rounds:
            return ""
        first, last = view.rounds[0], view.rounds[-1]
        nth = reader.say(
            "nth_time",
            nth=ordinal(reader.language, len(view.rounds) + 1),
            age=str(reader.age(first.started_at)),
        )
        start, end = reader.time(last.started_at).rich(), reader.time(last.ended_at).rich()
        return join(" · ", [nth, reader.say("before", start=start, end=end)])

    def _over(self) -> RichText | str:
        """What is said of a card that was over before anyone could see it."""
        view, reader = self.view, self.reader
        if view.late is None or view.status != "resolved":
            return ""
        start, end = reader.time(view.since).rich(), reader.time(view.until or view.now).rich()
        return reader.say("over", start=start, end=end)

    @property
    def notes(self) -> list[RichText]:
        """What an honest card adds: for whom it stands in, left out, stale, may be repeated,
        late.
        """
        view, reader = self.view, self.reader
        notes = [
            ("↪️", view.fallback_for and reader.say("fallback_for", receiver=view.fallback_for)),
            ("✂️", view.truncated_alerts and reader.say("truncated", view.truncated_alerts)),
            (
                "💤",
                view.stale
                and reader.say("stale", age=str(reader.duration(self.policy.stale_after))),
            ),
            ("❔", view.may_be_repeated and reader.say("may_be_repeated")),
            ("⏱", lateness(view.late, reader)),
        ]
        return noted(notes)


def noted(notes: Iterable[tuple[str, RichText | str | bool | int]]) -> list[RichText]:
    """Each note that has a text, behind its mark."""
    return [
        join(" ", [mark, text]) for mark, text in notes if isinstance(text, RichText | str) and text
    ]


def lateness(late: Late | None, reader: Reader) -> RichText | str:
    """How late a message comes and why; nothing when it does not."""
    if late is None:
        return ""
    start, end = reader.time(late.since).rich(), reader.time(late.until).rich()
    return reader.say(late.why, age=str(reader.duration(late.seconds)), start=start, end=end)


def _alias(name: str) -> str:
    """Alertmanager's spelling: `external_url` is `ExternalURL`."""
    return "".join(word.capitalize() for word in name.split("_")).replace("Url", "URL")
