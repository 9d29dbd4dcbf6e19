"""The names that the `digest` block of a template can use: a digest is prepared once, then given
out in each shape that fitting tries.
"""

from collections import Counter
from itertools import groupby
from typing import NamedTuple

from relay.core.alert import GroupId
from relay.core.card.digest import DigestView, Line, Name
from relay.core.card.subject import severity_word
from relay.core.routing.lane import Policy
from relay.core.template import labels_shown as telling
from relay.core.template.context import ContextShape, lateness, noted
from relay.core.text.richtext import RichText, join, styled
from relay.core.text.times import Reader

_PLACES = 3
_KINDS = 4
_FEW = 5  # groups; if there are fewer, their rows say where they are
_PLACE = 40


class _Row(NamedTuple):
    """A line of alert names with one mark, and those of them for which it says where all their
    groups are.
    """

    text: RichText
    whole: tuple[Name, ...]


class DigestContext:
    """A digest under the policy of the receiver that reads it. In a shape, `shown` is the number of
    alert names shown, and `full` is the number of lines for groups that their names only count.
    """

    def __init__(self, view: DigestView, policy: Policy) -> None:
        """Prepares the view of one digest."""
        self.view, self.policy = view, policy
        self.reader = Reader(policy.language, policy.timezone, view.now)
        self.longest = 0

    def names(self, context_shape: ContextShape) -> dict[str, object]:
        """All names that the block can use in that shape."""
        view, say = self.view, self.reader.say
        rest = view.names[context_shape.shown :]
        groups = sum(len(name.lines) for name in rest)
        lines = self.counted(context_shape)
        hidden = len(lines) - context_shape.full
        return {
            "mark": self._mark(),
            "head": join(" · ", self._head()),
            "places": self._places(),
            "rows": [row.text for row in self._rows(context_shape)],
            "lines": [self._line(line, context_shape) for line in lines[: context_shape.full]],
            "hidden_lines": join(" ", ["…", say("others", hidden)])
            if context_shape.full and hidden
            else "",
            "more": say("storm_more", len(rest), groups=str(groups)) if rest else "",
            "over": say("storm_over", view.over) if self._tells_over() else "",
            "note": self._note(),
            "notes": self._notes(),
            "color": telling.color(_mark(view.names[0]) if view.names else "🟢"),
        }

    def counted(self, context_shape: ContextShape) -> tuple[Line, ...]:
        """The groups that the rows only count, the most urgent first."""
        whole = {
            (name.name, name.severity) for row in self._rows(context_shape) for name in row.whole
        }
        names = [name for name in self.view.names[: context_shape.shown] if not name.left_out]
        return tuple(
            line for name in names if (name.name, name.severity) not in whole for line in name.lines
        )

    def named(self, context_shape: ContextShape) -> frozenset[tuple[GroupId, str]]:
        """The cards that the digest names in that shape, by group and fingerprint; it only counts
        the others.
        """
        whole = (
            line for row in self._rows(context_shape) for name in row.whole for line in name.lines
        )
        named_lines = (*whole, *self.counted(context_shape)[: context_shape.full])
        return frozenset((line.group, line.fingerprint) for line in named_lines)

    def _tells_over(self) -> bool:
        """Whether the head leaves it to the rows how many groups are over."""
        return bool(self.view.over) and (self.view.firing > 0 or self.view.after == "quiet")

    def _note(self) -> RichText | str:
        """Why there is a single message; after quiet hours, how many groups came without a
        sound.
        """
        view, say = self.view, self.reader.say
        if view.after == "quiet":
            return say("quiet_silent", view.silent) if view.silent else ""
        said = view.late is not None and view.late.why == "pace"
        told_alone = view.firing and not view.joined and not said
        return say("storm_note", view.per_minute) if told_alone else ""

    def _notes(self) -> list[RichText]:
        """The notes that make a digest honest: may be repeated, late."""
        view, reader = self.view, self.reader
        repeated = view.may_be_repeated and reader.say("may_be_repeated")
        return noted([("❔", repeated), ("⏱", lateness(view.late, reader))])

    def _mark(self) -> str:
        if not self.view.firing:
            return "🟢"
        if self.view.joined:
            return "➕"
        return "🌊" if self.view.after == "storm" else "🔔"

    def _head(self) -> list[RichText]:
        view, say = self.view, self.reader.say
        if view.joined:
            return [say("storm_joined", view.firing), *self._kinds()]
        since = say("storm_since", start=self.reader.time(view.since).rich())
        if view.after == "quiet":
            fires = say("quiet_over", view.firing) if view.firing else say("quiet_nothing")
            return [fires, *self._kinds()]
        count = say("storm", view.firing) if view.firing else say("storm_over", view.over)
        return [count, *self._kinds(), since]

    def _kinds(self) -> list[RichText]:
        """`1 critical, 2 warning`: how many groups fire with each severity."""
        counts: dict[str, int] = {}
        for name in self.view.names:
            word = severity_word(name.severity) or self.reader.say("firing").text
            counts[word] = counts.get(word, 0) + len(name.lines)
        counts_by_word = [f"{count} {word}" for word, count in list(counts.items())[:_KINDS]]
        return [RichText(", ".join(counts_by_word))] if counts_by_word else []

    def _places(self) -> RichText | str:
        """How many groups fire in each cluster, then in each namespace, the largest numbers first;
        nothing for a few groups, or if all are in one.
        """
        lines = [line for name in self.view.names for line in name.lines]
        if len(lines) < _FEW:
            return ""
        parts = [self._counted_by([line.cluster for line in lines], " · ")]
        parts.append(self._counted_by([line.namespace for line in lines], ", "))
        places = " · ".join(part for part in parts if part)
        return RichText(places) if places else ""

    @staticmethod
    def _counted_by(values: list[str], separator: str) -> str:
        counts = Counter(telling.one_line(value)[:_PLACE] for value in values if value)
        if len(counts) < 2:
            return ""
        counted = [f"{value} {count}" for value, count in counts.most_common(_PLACES)]
        return separator.join(counted) + (
            f"{separator.rstrip()} …" if len(counts) > _PLACES else ""
        )

    def _rows(self, context_shape: ContextShape) -> list[_Row]:
        names = self.view.names[: context_shape.shown]
        return [
            self._row(mark, list(names), context_shape) for mark, names in groupby(names, _mark)
        ]

    def _row(self, mark: str, names: list[Name], context_shape: ContextShape) -> _Row:
        """All names with their places if they fit, else the names alone; if those do not fit
        either, as many whole names as fit and the number of the others. The first name is always
        shown.
        """
        text = self._joined(mark, [self._name(name, context_shape) for name in names], 0)
        if len(text.text) <= context_shape.limit:
            return _Row(text, tuple(name for name in names if _names_all(name)))
        titles = [self._title(name, context_shape.limit // 2) for name in names]
        for count in range(len(names), 1, -1):
            text = self._joined(mark, titles[:count], len(names) - count)
            if len(text.text) <= context_shape.limit:
                break
        else:
            text = self._joined(mark, titles[:1], len(names) - 1)
        return _Row(text, ())

    def _joined(self, mark: str, names: list[RichText], more: int) -> RichText:
        return join(
            " ", [mark, join(" · ", names), *([self.reader.say("others", more)] if more else [])]
        )

    def _title(self, name: Name, limit: int) -> RichText:
        unnamed = self.reader.say("left_out" if name.left_out else "unnamed").text
        title = telling.one_line(name.name) or unnamed
        count = [RichText(f"×{len(name.lines)}")] if len(name.lines) > 1 else []
        return join(" ", [styled("bold", title[:limit]), *count])

    def _name(self, name: Name, context_shape: ContextShape) -> RichText:
        parts = [self._title(name, context_shape.limit)]
        places = [telling.one_line(place)[: context_shape.limit] for place in name.where[:_PLACES]]
        if places:
            more = [RichText("…")] if len(name.lines) > len(places) else []
            inside = join(", ", [styled("code", place) for place in places] + more)
            parts.append(join("", ["(", inside, ")"]))
        return join(" ", parts)

    def _line(self, line: Line, context_shape: ContextShape) -> RichText:
        title = (
            telling.one_line(line.name)[: context_shape.limit] or self.reader.say("unnamed").text
        )
        where = (
            [styled("code", telling.one_line(line.where)[: context_shape.limit])]
            if line.where
            else []
        )
        began = self.reader.time(line.since).rich()
        return join(
            " ", [telling.mark("firing", line.severity), join(" · ", [title, *where, began])]
        )


def _names_all(name: Name) -> bool:
    """Whether the name's row says where each of its groups is, or there is only one group."""
    if name.left_out:
        return False
    return len(name.lines) == 1 or len(name.lines) == len(name.where[:_PLACES])


def _mark(name: Name) -> str:
    return telling.mark("firing", name.severity)
