"""The menu of a silence: what to silence, how many alerts that mutes, and for how long."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.matchers import muted_besides
from relay.core.action.press import SilenceChoice, SilenceMenu
from relay.core.action.pressed import ButtonData, button_place, encode
from relay.core.action.wish import parse_wish
from relay.core.alert import Labels
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import matches
from relay.core.text.message import Button, Buttons
from relay.core.text.richtext import RichText, join
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader

DURATIONS = (1800.0, 86400.0)  # in addition to those with buttons of their own
GROUP_DURATIONS = (3600.0, 14400.0, 86400.0)
MORNING = "9:00"
GROUP_WORDS = ("group", "groupe")
Present = Mapping[str, tuple[Labels, ...] | None]
"""The alerts in Alertmanager that match each choice; None: it did not answer."""


class Wish(Struct, frozen=True):
    """What a person wrote: seconds (None: no duration), and whether for the whole group or for the
    card.
    """

    seconds: float | None
    group: bool = False


def written_wish(text: str, timezone: str, now: float) -> Wish:
    """Reads `2h`, `until 18:00`, `2h group`."""
    said, _, last = text.strip().rpartition(" ")
    if said and last.casefold() in GROUP_WORDS:
        return Wish(parse_wish(said, timezone, now), group=True)
    return Wish(parse_wish(text, timezone, now))


def described(choice: SilenceChoice, present: Present, language: str) -> RichText:
    """`these 3 alerts: mutes 5 alerts, 2 of them elsewhere`."""
    found = present.get(choice.verb)
    of_card = choice.verb == "silence"
    name = (
        act(language, "choice_card", len(choice.alerts))
        if of_card
        else act(language, "choice_group")
    )
    if found is None:
        return name
    count = sum(1 for labels in found if matches(choice.matchers, labels))
    others = muted_besides(choice.matchers, choice.alerts, found)
    said = [act(language, "choice_mutes", count)]
    said += [act(language, "choice_others", others)] if others else []
    return join(": ", [name, join(", ", said)])


def described_all(menu: SilenceMenu, present: Present, language: str) -> RichText:
    """A line for each choice."""
    return join("\n", [described(each, present, language) for each in menu.choices])


def buttons(
    menu: SilenceMenu, lane: LaneKey, message: int, key: bytes, reader: Reader, timezone: str
) -> Buttons:
    """The durations as buttons under the menu, whose card is shown by `message`: a row for what the
    card shows, one for the group, and one that asks for another duration.
    """

    def button(verb: ButtonData, label: RichText) -> Button:
        data = encode(replace(verb, message=message), key, button_place(lane))
        return Button(label.text.replace("\u00a0", " "), data)

    def silence(choice: SilenceChoice, seconds: float, label: RichText) -> Button:
        data = replace(menu.data, verb=choice.verb, number=int(seconds))
        return button(data, label)

    rows = []
    morning = parse_wish(MORNING, timezone, reader.now) or 0.0
    for choice in menu.choices:
        is_group = choice.verb == "group"
        durations = GROUP_DURATIONS if is_group else DURATIONS
        key_of = "menu_group" if is_group else "silence_for"
        row = [
            silence(choice, each, act(reader.language, key_of, age=str(reader.duration(each))))
            for each in durations
            if each <= menu.longest
        ]
        if not is_group and 1.0 <= morning <= menu.longest:
            row.append(silence(choice, morning, act(reader.language, "menu_until", at=MORNING)))
        rows += [tuple(row)] if row else []
    other = button(replace(menu.data, verb="ask"), act(reader.language, "menu_other"))
    return (*rows, (other,))


def counted(menu: SilenceMenu, found: Sequence[tuple[Labels, ...] | None]) -> Present:
    """The answers of Alertmanager by choice."""
    return {choice.verb: each for choice, each in zip(menu.choices, found, strict=True)}
