"""What the `digest` block of a template can name: a digest made ready once, told in as many shapes as it takes."""

from itertools import groupby

from relay.core import telling
from relay.core.alert import GroupId
from relay.core.context import Shape
from relay.core.digest import DigestView, Name
from relay.core.lane import Policy
from relay.core.richtext import RichText, join, styled
from relay.core.times import Reader

_PLACES = 3


class DigestScene:
    """A digest under the policy of the receiver that reads it. A shape's `shown` is how many alert names it tells."""

    def __init__(self, view: DigestView, policy: Policy) -> None:
        """The view of one digest."""
        self.view, self.policy = view, policy
        self.reader = Reader(policy.language, policy.timezone, view.now)

    def names(self, shape: Shape) -> dict[str, object]:
        """All that the block can name, for that shape."""
        view, say = self.view, self.reader.say
        told, rest = view.names[: shape.shown], view.names[shape.shown :]
        groups = sum(name.count for name in rest)
        return {
            "mark": ("🌊" if view.after == "storm" else "🔔") if view.firing else "🟢",
            "head": join(" · ", self._head()),
            "rows": [self._row(mark, list(names), shape) for mark, names in groupby(told, _mark)],
            "more": say("storm_more", len(rest), groups=str(groups)) if rest else "",
            "over": say("storm_over", view.over) if view.over and view.firing else "",
            "note": say("storm_note", view.per_minute) if view.firing and view.after == "storm" else "",
            "color": telling.color(_mark(view.names[0]) if view.names else "🟢"),
        }

    def named(self, shape: Shape) -> frozenset[tuple[GroupId, str]]:
        """The cards that the digest names in that shape, by group and fingerprint; the others are only counted."""
        told = (name for name in self.view.names[: shape.shown])
        whole = (name for name in told if name.count == 1 or name.count <= len(name.where[:_PLACES]))
        return frozenset(card for name in whole for card in name.cards)

    def _head(self) -> list[RichText]:
        view, say = self.view, self.reader.say
        since = say("storm_since", start=self.reader.time(view.since).rich())
        if view.after == "quiet":
            return [say("quiet_over", view.firing), since]
        told = say("storm", view.firing) if view.firing else say("storm_over", view.over)
        return [told, *([say("storm_urgent", view.urgent)] if view.urgent else []), since]

    def _row(self, mark: str, names: list[Name], shape: Shape) -> RichText:
        return join(" ", [mark, join(" · ", [self._name(name, shape) for name in names])])

    def _name(self, name: Name, shape: Shape) -> RichText:
        title = telling.one_line(name.name) or self.reader.say("unnamed").text
        parts = [styled("bold", title[: shape.limit])]
        if name.count > 1:
            parts.append(RichText(f"×{name.count}"))
        places = [telling.one_line(place)[: shape.limit] for place in name.where[: _PLACES if shape.full else 0]]
        if places:
            more = [RichText("…")] if name.count > len(places) else []
            inside = join(", ", [styled("code", place) for place in places] + more)
            parts.append(join("", ["(", inside, ")"]))
        return join(" ", parts)


def _mark(name: Name) -> str:
    return telling.mark("firing", name.severity)
