"""What /alerts answers: the alerts that a chat's cards show as open, by severity."""

from collections.abc import Iterable, Sequence

from relay.core.card.card import Card, Entry
from relay.core.card.severity import rank
from relay.core.card.subject import where
from relay.core.routing.matcher import Matcher, matches
from relay.core.template.labels_shown import mark, one_line
from relay.core.text.richtext import RichText, concat, join, plain, styled
from relay.core.text.texts import say
from relay.core.text.texts_people import emit

_MOST_NAMES = 30
_MOST_PLACES = 3
_LONGEST = 100  # characters of a name or place
_Key = tuple[str, str]


def open_alerts(cards: Iterable[Card], wanted: tuple[Matcher, ...], language: str) -> RichText:
    """The firing alerts of the cards that match, one line for each severity and name, the most
    urgent first.
    """
    firing = _firing(cards)
    found = [entry for entry in firing if matches(wanted, entry.labels)]
    if not found:
        return emit(language, "no_such" if firing else "nothing_open")
    return _listed(found, language)


def firing_already(
    cards: Iterable[Card], wanted: tuple[Matcher, ...], language: str
) -> RichText | None:
    """The same for somebody who is told of them from now on; None when none fires."""
    found = [entry for entry in _firing(cards) if matches(wanted, entry.labels)]
    return _listed(found, language) if found else None


def _firing(cards: Iterable[Card]) -> list[Entry]:
    """The firing alerts of the cards, each once though several chats show it."""
    return list(
        {
            (card.group.source, entry.fingerprint): entry
            for card in cards
            for entry in card.entries
            if entry.status == "firing"
        }.values()
    )


def _listed(found: Sequence[Entry], language: str) -> RichText:
    names: dict[_Key, list[Entry]] = {}
    for entry in found:
        names.setdefault((entry.severity, entry.labels.get("alertname", "")), []).append(entry)
    ordered = sorted(names.items(), key=lambda item: (rank(item[0][0]), -len(item[1]), item[0][1]))
    lines = [_line(key, same, language) for key, same in ordered[:_MOST_NAMES]]
    if len(ordered) > _MOST_NAMES:
        lines.append(concat(["… ", say(language, "others", len(ordered) - _MOST_NAMES)]))
    return join("\n", [emit(language, "open", len(found)), *lines])


def _line(key: _Key, same: Sequence[Entry], language: str) -> RichText:
    severity, name = key
    shown = one_line(name)[:_LONGEST] if name else say(language, "unnamed").text
    parts: list[RichText | str] = [f"{mark('firing', severity)} "]
    if severity:
        parts.append(f"{one_line(severity)[:_LONGEST]} ")
    parts.append(styled("bold", shown))
    if len(same) > 1:
        parts.append(f" ×{len(same)}")
    places = list(dict.fromkeys(place for entry in same if (place := where(entry.labels))))
    if places:
        listed = join(", ", [plain(one_line(place)[:_LONGEST]) for place in places[:_MOST_PLACES]])
        more = concat([" ", say(language, "others", len(places) - _MOST_PLACES)])
        parts += [" (", listed, more if len(places) > _MOST_PLACES else "", ")"]
    return concat(parts)
