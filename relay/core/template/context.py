"""The names that templates can use: a view is prepared once, then given out in each shape that
fitting tries.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import MALFORMED
from relay.core.card.step import ReplyKind
from relay.core.card.subject import Subject, differences, severity_word, short, subject
from relay.core.card.view import AlertView, Late, View
from relay.core.routing.lane import Policy
from relay.core.template import labels_shown as telling
from relay.core.template.links import (
    DASHBOARDS,
    RUNBOOKS,
    Links,
    linked,
    links,
    outside,
    prose,
    target,
)
from relay.core.template.objects import Alert, AlertFacts, Alerts, Counts, Hidden, Labels
from relay.core.template.sandbox import nearest, shown
from relay.core.text.richtext import RichText, join, styled
from relay.core.text.texts import CATALOGUE, ordinal
from relay.core.text.times import Reader

MOST_SHOWN = 100  # Telegram accepts 100 entities in a message, and nobody reads more lines
_MOST_KINDS = 4
_LONG_TEXT = 240  # characters; a longer text is no second line
_SCHEME = re.compile("^https?://")
_RAW, _MOST_MALFORMED = 200, 2  # characters of a malformed alert, and how many of them are shown
_LOCK_SCREEN = 80  # characters that a phone shows while it is locked
_LINE_LINKS, _LEAST_LINES = 2000, 10  # characters of link for all lines of a card
_SHORT_VALUE = 3  # characters; so short a value may be in a text by chance
_EXCERPT, _EXCERPT_LINES = 300, 3
_MOST_DETAILS = 5  # alerts of a card that have a line for their own text
_MOST_ABOUT = 3
_MOST_APART = 2


class ContextShape(Struct, frozen=True):
    """How much of a view is shown: the first `full` alerts in full, up to `brief` in short, up to
    `shown` only by who is ill, the rest as a count. Values have at most `limit` characters.
    """

    full: int
    shown: int
    limit: int
    brief: int = MOST_SHOWN


class TemplateContext:
    """A view prepared for templates: computed once, then given out in each shape that fitting
    tries.
    """

    def __init__(self, view: View, policy: Policy, reply: ReplyKind | None) -> None:
        """Prepares the view of one card under the policy of the receiver that reads it. From
        `in_full` on its alerts look alike in full and in short; `longest` becomes the length in
        characters of the longest value that a template printed.
        """
        self.view, self.policy = view, policy
        self._about = view.about if reply in ("joined", "raised", "again") else ()
        self.reader = Reader(policy.language, policy.timezone, view.now)
        self._visible = view.alerts[:MOST_SHOWN]
        self._made_ready()
        many = len(self._visible) > _MOST_DETAILS
        self._alerts = self._brief if many else self._told(self._visible)
        self.in_full = 0 if many else MOST_SHOWN
        self.longest = 0
        self._reply = reply or ""
        self._made: dict[str, object] = {}

    @cached_property
    def _brief(self) -> Alerts:
        """The alerts, without the lines for their own texts."""
        return self._told(self._visible, brief=True)

    def names(
        self, context_shape: ContextShape, uses: frozenset[str] | None = None
    ) -> dict[str, object]:
        """The names that a template can use in that shape. Of the names that are the same in each
        shape only those in `uses` (None: all).
        """
        full, brief, most = context_shape.full, context_shape.brief, context_shape.shown
        shown_alerts = tuple(self._alerts[:full])
        if full < min(brief, most, len(self._visible)):
            shown_alerts += tuple(self._brief[full : min(brief, most)])
        if len(shown_alerts) < most:
            shown_alerts += self._terse[len(shown_alerts) : most]
        hidden = self._hidden(len(shown_alerts))
        alerts = Alerts(shown_alerts)
        alerts.more = int(hidden)
        for name, maker in _makers(uses):
            if name not in self._made:
                self._made[name] = maker(self)
        return {
            **self._made,
            "alerts": alerts,
            "Alerts": alerts,
            "hidden": hidden,
            "more": self._more(hidden),
        }

    @property
    def said(self) -> str:
        """What is wrong with all alerts alike; empty if that differs or nobody wrote it."""
        return self._wrong.text or self._wrong.more

    def subject_of(self, alert: AlertView) -> Subject:
        """The values in which the alert differs from the others of its card."""
        return self._differences.get(alert.fingerprint, Subject((), (), ()))

    def _made_ready(self) -> None:
        """Computes who is ill and what is wrong for the shown alerts."""
        view = self.view
        shown: Sequence[AlertView] = self._about or [
            alert for alert in view.alerts if alert.status == view.status
        ]
        ignores = self.policy.identity_ignores
        self._subject = subject(shown or view.alerts, view.group_labels, ignores)
        one = len(view.alerts) == 1
        self._mixed = len({each.labels.get("alertname") for each in self._visible}) > 1
        self._told_of = self._subject if one else None
        self._differences = {
            alert.fingerprint: each
            for alert, each in zip(self._visible, differences(self._visible, ignores), strict=True)
        }
        value = self.reader.say("value").text
        head = self._subject.values
        self._wrongs = self._wrong_with_each(value, head)
        self._wrong = self._common_wrong(value, head)
        self._figures_alone()
        if len(self._wrong.text) > _LONG_TEXT and not self._wrong.more:  # it is folded
            self._wrong = telling.Details("", self._wrong.text, self._wrong.figure)
        prose_links = [self._prose("runbook", RUNBOOKS), self._prose("dashboard", DASHBOARDS)]
        if any(prose_links):
            more = "\n".join(filter(None, (self._wrong.more, *prose_links)))
            self._wrong = telling.Details(self._wrong.text, more, self._wrong.figure)

    def _wrong_with_each(self, value: str, head: tuple[str, ...]) -> dict[str, telling.Details]:
        """What is wrong with each shown alert. What a second text adds is only told where all
        alerts say the same.
        """
        brief = len(self._visible) > 1
        found = self._each_wrong(value, head, brief=brief)
        if brief and len({each.text for each in found.values()}) == 1:
            return self._each_wrong(value, head, brief=False)
        return found

    def _each_wrong(
        self, value: str, head: tuple[str, ...], *, brief: bool
    ) -> dict[str, telling.Details]:
        return {
            alert.fingerprint: telling.wrong(
                alert.annotations,
                alert.labels,
                self._differences[alert.fingerprint].who or head,
                value,
                brief=brief,
            )
            for alert in self._visible
        }

    def _prose(self, title: str, names: Iterable[str]) -> str:
        """A runbook or dashboard that is text and not an address, under its title."""
        first = self._visible[0].annotations if self._visible else {}
        found = (prose(first.get(name, "")) for name in names)
        text = next((text for text in found if text), "")
        return f"{self.reader.say(title).text}: {text}" if text else ""

    def _figures_alone(self) -> None:
        """Whether a line needs only its figure, since the head says what is wrong with all
        of them.
        """
        if not self._wrong.text or len({each.text for each in self._wrongs.values()}) < 2:
            return
        for name, each in self._wrongs.items():
            if each.figure and each.figure not in self._wrong.text:
                self._wrongs[name] = telling.Details(self._wrong.text, "", each.figure)

    def _common_wrong(self, value: str, head: tuple[str, ...]) -> telling.Details:
        """What is wrong with all alerts of the card: the text that they share, or else the
        summary.
        """
        found = {(each.text, each.more) for each in self._wrongs.values()}
        if len(found) == 1:
            return next(iter(self._wrongs.values()))
        first = self._visible[0].annotations if self._visible else {}
        for name in ("summary", "description", "message"):
            if first.get(name) and all(
                alert.annotations.get(name) == first[name] for alert in self._visible
            ):
                labels = self.view.common_labels
                return telling.wrong({name: first[name]}, labels, head, value)
        return telling.Details("")

    @cached_property
    def _terse(self) -> Alerts:
        """The shown alerts by name and who is ill alone, if that tells each from the others."""
        told = [self._told_about(alert) for alert in self._visible]
        seen = Counter((each.subject.what, each.subject.who) for each in told)
        return Alerts(
            Alert(
                alert,
                replace(
                    facts,
                    subject=Subject(subject.what, subject.who, ())
                    if subject.who and seen[subject.what, subject.who] == 1
                    else subject,
                    figures=not subject.who,
                    terse=True,
                ),
                self.reader,
                brief=True,
            )
            for alert, facts in zip(self._visible, told, strict=True)
            for subject in (facts.subject,)
        )

    def _told(self, alerts: Iterable[AlertView], *, brief: bool = False) -> Alerts:
        return Alerts(
            Alert(alert, self._told_about(alert), self.reader, brief=brief) for alert in alerts
        )

    def _told_about(self, alert: AlertView) -> AlertFacts:
        mixed, said = self._mixed, self.said
        wrong = self._wrongs.get(alert.fingerprint, telling.Details(""))
        return AlertFacts(
            subject=self._told_of or self.subject_of(alert),
            wrong=wrong,
            said=said,
            mixed=mixed,
            figures=wrong.figure != "" and wrong.figure not in said,
            link=self._line_link(alert) if mixed else "",
        )

    def _line_link(self, alert: AlertView) -> str:
        """The address of the alert's graph. Where links are written out in the text, as on Discord,
        a long address would take the room of another line and is left out.
        """
        url = outside(alert.generator_url, self.policy.link_rewrites)
        most = _LINE_LINKS // min(len(self.view.alerts), _LEAST_LINES)
        return "" if self.policy.markup == "discord" and len(url) > most else url

    def _hidden(self, shown: int) -> Hidden:
        hidden = Hidden(len(self.view.alerts) - shown)
        hidden.by_severity = []
        if hidden:
            totals = Counter(dict(telling.severities(self.view.alerts)))
            rest = totals - Counter(dict(telling.severities(self._visible[:shown])))
            words = (f"{rest[key]} {self._word(key)}" for key in totals if rest[key])
            hidden.by_severity = list(words)
        return hidden

    def _more(self, hidden: Hidden) -> RichText | str:
        """How many more alerts there are, and how many of each kind; if all are of one kind, its
        word.
        """
        parts = hidden.by_severity
        if len(parts) == 1:
            parts = [parts[0].removeprefix(f"{int(hidden)} ")]
        return self.reader.say("more", int(hidden), parts=", ".join(parts)) if hidden else ""

    def _word(self, key: str) -> str:
        return self.reader.say(key).text if key in ("firing", "resolved", "gone") else key

    def _say(self, key: str, n: int | None = None, **values: object) -> RichText:
        """A text of the catalogue: `t("since", start=alert.starts_at, age=alert.age)`."""
        if key not in CATALOGUE:
            raise ValueError(f"no text {key!r}{nearest(key, CATALOGUE)}")
        if key == "from_to" and not values.get("start"):  # the start is unknown
            return self.reader.say("until", end=shown(values.get("end")))
        return self.reader.say(key, n, **{name: shown(value) for name, value in values.items()})

    def _counts(self) -> Counts:
        found = [alert.status for alert in self.view.alerts]
        return Counts(
            found.count("firing"), found.count("resolved"), found.count("gone"), len(found)
        )

    def _name(self) -> str:
        """The name of the alerts; for several names the number of alerts."""
        view = self.view
        names = telling.names(self._about or view.alerts, view.status)
        if len(names) > 1:
            count = sum(alert.status == view.status for alert in self._about or view.alerts)
            return self.reader.say("alerts", count).text
        return next(iter(names), "") or self.reader.say("unnamed").text

    def _count(self) -> str:
        """How many alerts fire and of what severities, if there are several; else empty."""
        view = self.view
        firing = [alert for alert in view.alerts if alert.status == "firing"]
        if len(firing) < 2:
            return ""
        kinds = telling.severities(firing)
        mixed = len(telling.names(view.alerts, view.status)) > 1
        parts = ", ".join(f"{count} {self._word(word)}" for word, count in kinds[:_MOST_KINDS])
        return (f" ×{len(firing)}" if not mixed else "") + (f" ({parts})" if len(kinds) > 1 else "")

    def _subject_line(self, *, code: bool) -> RichText:
        """` · db-2 /var/lib · data, prod-eu1`; empty if nothing is known."""
        shared = self._subject
        who = self._who(code=code) if shared.who else ""
        told = (who, ", ".join(shared.where), ", ".join(self._apart()))
        return join("", [piece for part in told if part for piece in (" · ", part)])

    def _apart(self) -> list[str]:
        """What tells the one alert of a reply from the others of its card, if who is ill and where
        do not.
        """
        if len(self._about) != 1 or len(self.view.alerts) == 1:
            return []
        shared = self._subject
        differing = self.subject_of(self._about[0]).values
        if any(value in (*shared.who, *shared.where) for value in differing):
            return []
        named = {key: each for each in shared.rest for key in (each, each.partition("=")[2])}
        return [named[value] for value in differing if value in named][:_MOST_APART]

    def _who(self, *, code: bool) -> RichText:
        """Who is ill, as code or plain. A probed address is then a link, and any other address
        loses its scheme.
        """
        who, rewrites = self._subject.who, self.policy.link_rewrites
        if code:
            return styled("code", " ".join(who))
        probed = target(self.view)
        linked = probed and outside(probed, rewrites) == probed
        return join(
            " ",
            [
                styled("link", value, value) if linked and value == probed
                else _SCHEME.sub("", value)
                for value in who
            ],
        )  # fmt: skip

    def _named(self, *, code: bool) -> RichText:
        """Name and subject for the reply that tells of a rise. Who is ill goes first if it would
        not fit on a lock screen otherwise.
        """
        name, shared = self._name(), self._subject
        who, where = " ".join(shared.who), ", ".join(shared.where)
        alert = self._about[0] if self._about else None
        severities = (alert.labels.get("severity", ""), alert.was) if alert else ()
        words = "".join(map(severity_word, severities))
        rise = self.reader.say("now_raised", severity=words, was="").text
        shown = f"M **{rise}** · {name} · {who}"  # as Discord's push notification shows it
        if not who or len(shown) <= _LOCK_SCREEN:
            return join("", [name, self._subject_line(code=code)])
        return join(" · ", [part for part in (self._who(code=code), name, where) if part])

    def _excerpt(self) -> str:
        """The first paragraph of the description, at most three lines, and the length of the whole
        text.
        """
        text = self._wrong.more
        paragraph = text.split("\n\n", 1)[0]
        lines = paragraph.split("\n")[:_EXCERPT_LINES]
        found = "\n".join(lines)
        if len(found) > _EXCERPT:
            found = found[:_EXCERPT].rsplit(" ", 1)[0]
        if len(found) == len(text):
            return text
        return f"{found} … {self.reader.say('characters', len(text)).text}"

    def _facts(self) -> RichText | str:
        """The second line: what is wrong, since when, and what else tells this alert from
        others.
        """
        view, reader = self.view, self.reader
        text: RichText | str = linked(self._wrong.text, self.policy.link_rewrites)
        parts: list[RichText | str] = []
        if len(view.alerts) == 1 and view.status == "firing":
            alert = view.alerts[0]
            start = reader.time(alert.starts_at).rich()
            if alert.was:
                before = reader.time(alert.was_since).rich()
                severity = severity_word(alert.labels.get("severity", ""))
                was = severity_word(alert.was)
                parts.append(
                    reader.say(
                        "raised_since", severity=severity, start=start, was=was, before=before
                    )
                )
            else:
                parts.append(reader.since(alert.starts_at))
        parts += [each for each in self._subject.rest if not _said_in(each, self._wrong.text)]
        if not self._wrong.text:
            return join(" · ", parts) if parts else ""
        if "\n" in self._wrong.text and parts:
            return join("\n", [text, join(" · ", parts)])
        return join(" · ", [text, *parts])

    def _memory(self) -> RichText | str:
        view, reader = self.view, self.reader
        known = len(view.memory.episodes)
        if known <= len(view.rounds) or view.status != "firing":  # the card's own rounds say it
            return ""
        last = view.memory.episodes[-1]
        return reader.say(
            "memory",
            nth=ordinal(reader.language, known + 1),
            start=reader.time(last.started_at).rich(),
            age=str(reader.age(last.started_at, last.ended_at)),
        )

    @property
    def links(self) -> Links:
        """The links that work from outside."""
        return links(self.view, self._visible, self.policy, self.reader)

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
        """The line for a card that was over before anyone could see it."""
        view, reader = self.view, self.reader
        if view.late is None or view.status != "resolved":
            return ""
        start, end = reader.time(view.since).rich(), reader.time(view.until or view.now).rich()
        return reader.say("over", start=start, end=end)

    @property
    def notes(self) -> list[RichText]:
        """The notes that make a card honest: alerts that arrived malformed, the receiver that it
        replaces, what is left out, stale, may be repeated, late.
        """
        view, reader = self.view, self.reader
        notes: list[tuple[str, RichText | str | bool | int]] = [
            *(("⚠️", text) for text in self._malformed()),
            *(("➡️", text) for text in self._went_on()),
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

    def _went_on(self) -> list[RichText]:
        """The alerts that go on in other messages of the chat, with a link there."""
        known = {alert.fingerprint: alert for alert in self._visible}
        found: list[RichText] = []
        for each in self.view.went_on[:_MOST_ABOUT]:
            alerts = [known[alert] for alert in each.alerts if alert in known]
            names = [
                " ".join(self.subject_of(alert).values) or alert.labels.get("alertname", "")
                for alert in alerts[:_MOST_ABOUT]
            ]
            more = len(each.alerts) - len(names)
            said = [", ".join(map(short, names)), self.reader.say("others", more) if more else ""]
            there = self.reader.say("went_on").text
            who = join(" ", [part for part in said if part])
            found.append(
                join(": ", [who, styled("link", there, each.link) if each.link else there])
            )
        return found

    def _malformed(self) -> list[str]:
        """What arrived malformed; among the other alerts of a list it would be overlooked."""
        if len(self.view.alerts) < 2:
            return []
        found = [
            each.annotations
            for each in self.view.alerts
            if each.status == "firing" and each.labels.get("alertname") == MALFORMED
        ]
        return [
            f"{short(each.get('summary', ''))}: {short(each.get('description', ''), _RAW)}"
            for each in found[:_MOST_MALFORMED]
        ]

    @cached_property
    def _severity(self) -> str:
        """The severity of the first firing alert; empty if none fires."""
        alerts = self._told(self._about) if self._about else self._alerts
        return next((alert.severity for alert in alerts if alert.status == "firing"), "")

    @cached_property
    def _mark(self) -> str:
        return telling.mark(self.view.status, self._severity)

    @cached_property
    def _told_about_some(self) -> Alerts:
        about = self._told(self.view.about[:_MOST_ABOUT])
        about.more = len(self.view.about) - len(about)
        return about

    def _state(self) -> str:
        firing = self.view.status == "firing" and self._severity
        return firing or self._word(self.view.status)

    def _was(self) -> str:
        return self._told_about_some[0].was if self._reply == "raised" and self.view.about else ""

    def _linked(self, text: str) -> RichText | str:
        return linked(text, self.policy.link_rewrites)

    def _figure(self) -> str:
        return self._wrong.figure if len(self._about or self.view.alerts) == 1 else ""

    # Each name with the function that computes its value: most templates use few of them.
    MAKERS: ClassVar[dict[str, Callable[["TemplateContext"], object]]] = {
        "receiver": lambda self: self.view.receiver,
        "status": lambda self: self.view.status,
        "group_labels": lambda self: Labels(self.view.group_labels),
        "common_labels": lambda self: Labels(self.view.common_labels),
        "common_annotations": lambda self: Labels(self.view.common_annotations),
        "route_labels": lambda self: Labels(self.view.route_labels),
        "external_url": lambda self: self.view.external_url,
        "notification_reason": lambda self: self.view.notification_reason,
        "truncated_alerts": lambda self: self.view.truncated_alerts,
        "group_key": lambda self: self.view.group_key,
        "change": lambda self: self.view.change,
        "reply": lambda self: self._reply,
        "about": lambda self: self._told_about_some,
        "mark": lambda self: self._mark,
        "color": lambda self: telling.color(self._mark),
        "severity": lambda self: self._severity,
        "state": _state,
        "name": _name,
        "was": _was,
        "who": lambda self: list(self._subject.who),
        "where": lambda self: list(self._subject.where),
        "rest": lambda self: list(self._subject.rest),
        "subject": lambda self: self._subject_line(code=True),
        "subject_plain": lambda self: self._subject_line(code=False),
        "count": _count,
        "named": lambda self: self._named(code=True),
        "named_plain": lambda self: self._named(code=False),
        "summary": lambda self: self._linked(self._wrong.text),
        "description": lambda self: self._linked(self._wrong.more),
        "excerpt": lambda self: self._linked(self._excerpt()),
        "figure": _figure,
        "facts": _facts,
        "memory": _memory,
        "counts": _counts,
        "links": lambda self: self.links,
        "since": lambda self: self.reader.time(self.view.since),
        "until": lambda self: self.reader.time(self.view.until or 0.0),
        "age": lambda self: self.reader.age(self.view.since, self.view.until),
        "now": lambda self: self.reader.time(self.view.now),
        "again": _again,
        "over": _over,
        "late": lambda self: lateness(self.view.late, self.reader),
        "notes": lambda self: self.notes,
        "t": lambda self: self._say,
    }


_PAYLOAD = (
    "receiver", "status", "group_labels", "common_labels", "common_annotations", "route_labels",
    "external_url", "notification_reason", "truncated_alerts", "group_key",
)  # fmt: skip
_MAKERS = TemplateContext.MAKERS | {
    # Alertmanager's spelling: `external_url` is `ExternalURL`.
    "".join(word.capitalize() for word in name.split("_")).replace("Url", "URL"): (
        TemplateContext.MAKERS[name]
    )
    for name in _PAYLOAD
}


@lru_cache(maxsize=64)
def _makers(
    uses: frozenset[str] | None,
) -> tuple[tuple[str, Callable[[TemplateContext], object]], ...]:
    """The names that a template uses (None: all), with the functions that compute their values."""
    return tuple((name, maker) for name, maker in _MAKERS.items() if uses is None or name in uses)


def _said_in(label: str, text: str) -> bool:
    """Whether the value of `name=value` is in the text, where a reader finds it too."""
    value = label.partition("=")[2]
    return len(value) > _SHORT_VALUE and value in text


def noted(notes: Iterable[tuple[str, RichText | str | bool | int]]) -> list[RichText]:
    """Each note that has a text, after its mark."""
    return [
        join(" ", [mark, text]) for mark, text in notes if isinstance(text, RichText | str) and text
    ]


def lateness(late: Late | None, reader: Reader) -> RichText | str:
    """How late a message is and why; nothing if it is not late."""
    if late is None:
        return ""
    start, end = reader.time(late.since).rich(), reader.time(late.until).rich()
    age = str(reader.duration(late.seconds))
    return reader.say(late.why, late.per_minute, age=age, start=start, end=end)
