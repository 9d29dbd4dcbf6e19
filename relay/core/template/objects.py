"""The objects of templates: read-only labels and alerts, with Alertmanager's names as aliases."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from relay.core.card.subject import Subject, severity_word
from relay.core.card.view import AlertView
from relay.core.template import labels_shown as telling
from relay.core.text.richtext import RichText, concat, join, styled
from relay.core.text.times import Duration, Printable, Reader, Time

_MOST_LINES = 10  # lines of a list that are in view


class Labels(Printable):
    """Labels or annotations, by attribute or item. A missing one is an empty text, as in
    Alertmanager.
    """

    __slots__ = ("_of",)

    def __init__(self, of: Mapping[str, str]) -> None:
        """Holds the labels in the order of the payload."""
        self._of = of

    def __getattr__(self, name: str) -> str:
        """The value of a label, for names that are not methods."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self._of.get(name, "")

    def __getitem__(self, name: str) -> str:
        """The value of a label of any name."""
        return self._of.get(name, "")

    def __contains__(self, name: str) -> bool:
        """Whether there is such a label."""
        return name in self._of

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._of)

    def __len__(self) -> int:
        """The number of labels."""
        return len(self._of)

    def rich(self) -> RichText:
        """`a=b, c=d`, as Alertmanager prints them."""
        return RichText(", ".join(f"{name}={value}" for name, value in self.items()))

    def get(self, name: str, default: str = "") -> str:
        """The value of a label, or the default."""
        return self._of.get(name, default)

    def items(self) -> list[tuple[str, str]]:
        """Names and values, alertname first, the others sorted."""
        return sorted(self._of.items(), key=lambda item: (item[0] != "alertname", item[0]))

    def without(self, *names: str) -> "Labels":
        """The labels without those of the given names."""
        return Labels({name: value for name, value in self._of.items() if name not in names})

    @property
    def SortedPairs(self) -> list["Pair"]:  # noqa: N802 - Alertmanager's name (template/template.go)
        """Pairs with `.Name` and `.Value`."""
        return [Pair(name, value) for name, value in self.items()]

    @property
    def Names(self) -> list[str]:  # noqa: N802 - Alertmanager's name
        """The names, in the order of the pairs."""
        return [name for name, _ in self.items()]

    @property
    def Values(self) -> list[str]:  # noqa: N802 - Alertmanager's name
        """The values, in the order of the pairs."""
        return [value for _, value in self.items()]

    def Remove(self, names: Iterable[str]) -> "Labels":  # noqa: N802 - Alertmanager's name
        """The labels without those of the given names."""
        return self.without(*names)


class Pair(Struct, frozen=True):
    """A label's name and value."""

    Name: str
    Value: str


class AlertFacts(Struct, frozen=True):
    """What a card knows about one of its alerts: the values in which it differs from the others,
    what is wrong with it, what the card's head `said`, whether names are `mixed` and then its
    `link`, and whether its line has its own figure. `terse`: its line has room only for who is ill.
    """

    subject: Subject
    wrong: telling.Details
    said: str = ""
    mixed: bool = False
    figures: bool = True
    link: str = ""
    terse: bool = False


class Alert:
    """One alert, as templates see it."""

    def __init__(
        self, view: AlertView, facts: "AlertFacts", reader: Reader, *, brief: bool = False
    ) -> None:
        """`facts` is what its card knows about it; `brief` asks for one short line."""
        self._view, self._facts, self._reader = view, facts, reader
        self.brief = brief

    @property
    def status(self) -> str:
        """`firing`, `resolved` or `gone`."""
        return self._view.status

    @property
    def labels(self) -> Labels:
        """Its labels."""
        return Labels(self._view.labels)

    @property
    def annotations(self) -> Labels:
        """Its annotations."""
        return Labels(self._view.annotations)

    @property
    def starts_at(self) -> Time:
        """Since when it fires."""
        return self._reader.time(self._view.starts_at)

    @property
    def ends_at(self) -> Time:
        """When it ended; false while it fires."""
        return self._reader.time(self._view.ends_at or 0.0)

    @property
    def generator_url(self) -> str:
        """The page of its expression in Prometheus."""
        return self._view.generator_url

    @property
    def fingerprint(self) -> str:
        """Alertmanager's hash of its labels."""
        return self._view.given or self._view.fingerprint

    Status, Labels, Annotations, StartsAt, EndsAt = status, labels, annotations, starts_at, ends_at
    GeneratorURL, Fingerprint = generator_url, fingerprint

    @cached_property
    def name(self) -> str:
        """Its `alertname`."""
        return (
            telling.one_line(self._view.labels.get("alertname", ""))
            or self._reader.say("unnamed").text
        )

    @cached_property
    def severity(self) -> str:
        """Its `severity` label; a very long one is shortened in the middle."""
        return severity_word(self._view.labels.get("severity", ""))

    @property
    def mark(self) -> str:
        """🔴 🟠 🔵 🟢 or ⚪."""
        return telling.mark(self._view.status, self.severity)

    @cached_property
    def summary(self) -> str:
        """What is wrong: of summary and description the one that says more, else its name."""
        return self._facts.wrong.text or self.name

    @cached_property
    def detail(self) -> str:
        """Its summary, if the card's head does not say the same."""
        summary = self.summary
        return "" if summary in (self._facts.said, self.name) else telling.one_line(summary)

    @property
    def figure(self) -> str:
        """The number that says how bad it is, such as `2.13%` or `value 0.07`; or empty."""
        return self._facts.wrong.figure

    @property
    def differing(self) -> list[str]:
        """The label values in which it differs from its group, the most telling first; for a single
        alert those that say who and what is ill.
        """
        return list(self._facts.subject.values)

    @cached_property
    def label(self) -> str:
        """Its name within its group: the values in which it differs, else its alert name."""
        return " ".join(self.differing) or self.name

    @cached_property
    def line(self) -> RichText:
        """Its line within its group: its own name if names differ (a link to its graph), who is
        ill, the rest, and its figure.
        """
        subject = self._facts.subject
        parts: list[RichText | str] = []
        if self._facts.mixed or not subject.values:
            parts.append(
                styled("link", self.name, self._facts.link) if self._facts.link else self.name
            )
        if subject.who:
            parts.append(styled("code", " ".join(subject.who)))
        if subject.where or subject.rest:
            parts.append(", ".join((*subject.where, *subject.rest)))
        if self._facts.figures and self.figure and (self.brief or not self.detail):
            parts.append(styled("bold", self.figure))
        return join(" ", parts)

    @property
    def joined(self) -> bool:
        """Whether it is new since the card was last shown."""
        return self._view.joined

    @property
    def returned(self) -> bool:
        """Whether it is reported again after it was not."""
        return self._view.returned

    @property
    def was(self) -> str:
        """The severity before it rose; or empty."""
        return severity_word(self._view.was)

    @cached_property
    def when(self) -> RichText:
        """Since when it fires (and that it is new), or when it ended and after how long."""
        reader = self._reader
        start, end = self.starts_at.rich(), self.ends_at.rich()
        if self._facts.terse:
            return end if self.status == "resolved" else start
        if self.status == "firing":
            if self.was:
                before = reader.time(self._view.was_since).rich()
                return concat([start, f", {self.was} ", reader.say("since_alone", start=before)])
            word = "reported_again" if self.returned else "new"
            return concat([start, f" ({reader.say(word).text})"]) if self.joined else start
        return reader.say(
            "gone_since" if self.status == "gone" else "resolved_at", end=end, age=str(self.age)
        )

    @property
    def age(self) -> Duration:
        """How long it has fired, or had fired when it ended."""
        return self._reader.age(self._view.starts_at, self._view.ends_at)


class Alerts(tuple[Alert, ...]):
    """The shown alerts, the most urgent first; `more` others are not shown."""

    more: int = 0

    @property
    def firing(self) -> list[Alert]:
        """Those that fire."""
        return [alert for alert in self if alert.status == "firing"]

    @property
    def resolved(self) -> list[Alert]:
        """Those that were resolved."""
        return [alert for alert in self if alert.status == "resolved"]

    @property
    def gone(self) -> list[Alert]:
        """Those that are no longer reported."""
        return [alert for alert in self if alert.status == "gone"]

    Firing, Resolved = firing, resolved

    @property
    def in_view(self) -> list[Alert]:
        """The first of them, about ten lines, which is what a screen holds."""
        return list(self[: self._seen()])

    @property
    def folded(self) -> list[Alert]:
        """The others, for a quote that expands on a tap."""
        return list(self[self._seen() :])

    def _seen(self) -> int:
        lines = [2 if alert.detail and not alert.brief else 1 for alert in self]
        if sum(lines) <= _MOST_LINES + 1:
            return len(self)
        total = 0
        for at, size in enumerate(lines):
            total += size
            if total > _MOST_LINES:
                return max(at, 1)
        return len(self)


class Hidden(int):
    """How many alerts are not shown; `by_severity` says of what kind, such as `25 warning`."""

    by_severity: list[str]


class Counts(Struct, frozen=True):
    """How many alerts the card has, shown or not."""

    firing: int
    resolved: int
    gone: int
    all: int
