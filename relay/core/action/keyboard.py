"""The buttons of a card, and the lines that say who has its alerts and which silences hold."""

from collections.abc import Iterable

from msgspec import Struct

from relay.core.action.marks import ActingMarks
from relay.core.action.pressed import ButtonData, Verb, encode
from relay.core.action.settings import ActingConfig
from relay.core.action.take import Holder
from relay.core.text.message import Button
from relay.core.text.richtext import RichText, concat, join
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader

_MOST_HOLDERS = 3
_NO_BREAK = "\u00a0"


class ButtonPlace(Struct, frozen=True):
    """What the buttons of a message are made of: `place` (bot and chat), the card's name, the
    delivery up to which the message shows it, and the key that authenticates them.
    """

    place: str
    card: str
    seq: int
    key: bytes


def keyboard(
    config: ActingConfig, marks: ActingMarks, source: str, where: ButtonPlace, reader: Reader
) -> tuple[tuple[Button, ...], ...]:
    """The row of buttons under a firing card; none if actions are off."""
    if config.actions is None:
        return ()
    row: list[Button] = []
    if not marks.taken or marks.untaken:
        row.append(_button("take", where, act(reader.language, "take")))
    if marks.taken:
        row.append(_button("release", where, act(reader.language, "release")))
    if source in config.alertmanagers:
        silenced = any(each.kind == "silenced" for each in marks.suppressed)
        if silenced:
            row.append(_button("end", where, act(reader.language, "end")))
        if not silenced or marks.loud:
            row += _silences(config.actions.silences, where, reader)
            if marks.asks:
                row.append(_button("menu", where, act(reader.language, "menu")))
    return (tuple(row),)


def _silences(silences: Iterable[float], where: ButtonPlace, reader: Reader) -> list[Button]:
    row = []
    for seconds in silences:
        label = act(
            reader.language, "silence_for", age=str(reader.duration(seconds)).replace("\u00a0", " ")
        )
        row.append(_button("silence", where, label, int(seconds), is_danger=True))
    return row


def _button(
    verb: Verb, where: ButtonPlace, label: RichText, number: int = 0, *, is_danger: bool = False
) -> Button:
    data = encode(ButtonData(verb, where.card, where.seq, number), where.key, where.place)
    return Button(label.text.replace(_NO_BREAK, " "), data, "danger" if is_danger else "plain")


def lines(marks: ActingMarks, reader: Reader) -> tuple[RichText, ...]:
    """The lines of a card: ✋ only if an alert is taken, 🔕 only while Alertmanager confirms it."""
    found = (
        _untaken(marks, reader),
        _taken(marks, reader),
        *_suppressed(marks, reader),
        *_asked(marks, reader),
    )
    lost: tuple[RichText, ...] = ()
    if marks.lost is not None:
        name, since = marks.lost
        lost = (act(reader.language, "no_news_line", name=name, since=reader.time(since).rich()),)
    return tuple(line for line in (*found, *lost) if line is not None)


def _untaken(marks: ActingMarks, reader: Reader) -> RichText | None:
    if marks.untaken_by is None:
        return None
    receiver, seconds = marks.untaken_by
    age = str(reader.duration(seconds))
    return act(reader.language, "escalated_from", receiver=receiver, age=age)


def _taken(marks: ActingMarks, reader: Reader) -> RichText | None:
    if not marks.taken:
        return None
    named = [
        act(
            reader.language,
            "taken_line",
            name=_name(each.holder, reader),
            since=reader.time(each.since).rich(),
        )
        for each in marks.taken[:_MOST_HOLDERS]
    ]
    if marks.untaken:
        named.append(act(reader.language, "taken_new", marks.untaken))
    return join(" · ", named)


def _name(holder: Holder, reader: Reader) -> str:
    return act(reader.language, "administrator").text if holder.anonymous else holder.name


def _suppressed(marks: ActingMarks, reader: Reader) -> list[RichText]:
    found: list[RichText] = []
    for each in marks.suppressed[:_MOST_HOLDERS]:
        if each.kind == "inhibited":
            key = "inhibited_line" if each.by else "inhibited_alone"
            found.append(act(reader.language, key, by=each.by))
            continue
        parts: list[RichText | str] = []
        if each.until:
            until = reader.time(each.until).rich()
            parts.append(act(reader.language, "silenced_line", until=until))
        else:
            parts.append("🔕")
        said = ": ".join(filter(None, (each.by, _plain(each.comment))))
        if said:
            parts.append(f" · {said}")
        found.append(concat(parts))
    return found


def _plain(comment: str) -> str:
    """The comment on one line, without what the relay added to it."""
    return " ".join(comment.partition("[alert-relay ")[0].split())


def _asked(marks: ActingMarks, reader: Reader) -> list[RichText]:
    found = []
    for each in marks.asked:
        since = reader.time(each.asked_at).rich()
        if each.state == "asked":
            key = "asked_late_line" if each.late else "asked_line"
            found.append(act(reader.language, key, since=since))
        elif each.state in ("refused", "unknown"):
            why = act(reader.language, "wide", each.mutes) if each.why == "wide" else each.why
            found.append(act(reader.language, "not_silenced_line", why=why or "?"))
    return found
