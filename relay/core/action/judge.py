"""Judging a press. It is pure, so that its effects are committed in one transaction with it."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from relay.core.action.episode import ShownAlert
from relay.core.action.matchers import CannotSilence, group_matchers, silence_matchers
from relay.core.action.press import (
    Outcome,
    Press,
    PressAnswer,
    PressContext,
    PressEffects,
    ShownCard,
    SilenceChoice,
    SilenceMenu,
)
from relay.core.action.pressed import ButtonData, ForgedData, Verb
from relay.core.action.reconcile import Suppressed
from relay.core.action.rights import Denied, Granted, Presser, judge_rights, known_person
from relay.core.action.settings import ActingConfig, Person, Right
from relay.core.action.silence import Silencing
from relay.core.action.take import (
    AGAIN,
    Already,
    HeldBy,
    Holder,
    NotTaken,
    Released,
    Taken,
    Took,
    carried,
    in_force,
    release,
    take,
)
from relay.core.routing.matcher import Matcher
from relay.core.text.richtext import RichText
from relay.core.text.texts import Value
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader

MOST_PRESSES = 10  # of one person within a minute
_MOST_ASKED = 3  # people and roles named by a refusal
_LONGEST_NAME, _LONGEST_REASON = 40, 200


class _Case(Struct, frozen=True):
    """A press of a valid button with everything that it depends on."""

    press: Press
    data: ButtonData
    card: ShownCard
    alerts: tuple[ShownAlert, ...]
    context: PressContext
    config: ActingConfig
    holder: Holder
    reader: Reader
    window: float
    action: str

    def say(self, key: str, n: int | None = None, **values: Value) -> RichText:
        return act(self.reader.language, key, n, **values)

    def time(self, at: float) -> RichText:
        return self.reader.time(at).rich()

    def effects(
        self,
        outcome: Outcome,
        text: RichText,
        *,
        alert: bool = False,
        takes: tuple[Taken, ...] = (),
        released: tuple[str, ...] = (),
        silencings: tuple[Silencing, ...] = (),
        asks: bool = False,
        offers: bool = False,
        menu: SilenceMenu | None = None,
    ) -> PressEffects:
        answer = PressAnswer(text, alert, asks, offers, menu)
        keys = tuple(each.key for each in self.alerts)
        return PressEffects(
            answer, outcome, self.data.verb, keys, takes, released, silencings, self.card.source
        )


def judge(
    press: Press,
    context: PressContext,
    config: ActingConfig,
    reader: Reader,
    window: float,
    action: str,
) -> PressEffects:
    """The effects of the press at `reader.now`. `window` is the reopen window of the card's policy
    in seconds, `action` a fresh random id.
    """
    data, card, language = press.data, context.card, reader.language
    refused = _refusal(press, context, config)
    if refused is not None:
        key, outcome = refused
        return PressEffects(PressAnswer(act(language, key), alert=True), outcome)
    if card is None or not isinstance(data, ButtonData) or data.card != card.name:
        return PressEffects(PressAnswer(_old(card, language), alert=True), "old")
    alerts = tuple(each for each in card.alerts if each.firing and each.seq <= data.seq)
    case = _Case(
        press,
        data,
        card,
        alerts,
        context,
        config,
        holder_of(config.people, press.presser, language),
        reader,
        window,
        action,
    )
    if not alerts:
        over = case.say("over_since", since=case.time(card.closed_at)) if card.closed_at else None
        return case.effects("over", over or case.say("over_now"), alert=True)
    granted = _granted(case)
    return granted if isinstance(granted, PressEffects) else _carry_out(case, granted)


def holder_of(people: Sequence[Person], presser: Presser, language: str) -> Holder:
    """The person who pressed, as cards name people: by the configuration's name, by the platform's
    with a mark, or not at all.
    """
    known = known_person(people, presser)
    identity = f"{presser.platform} {presser.id}"
    if presser.anonymous:
        return Holder(act(language, "administrator").text, identity, anonymous=True)
    if known is not None:
        return Holder(known.name, known.name)
    shown = "".join(char if char.isprintable() else " " for char in presser.name)
    name = " ".join(shown.split())[:_LONGEST_NAME]
    return Holder(f"{name or presser.id} ({presser.platform})", identity)


def _refusal(
    press: Press, context: PressContext, config: ActingConfig
) -> tuple[str, Outcome] | None:
    """The reason not to look at a press: a key of the catalogue and the outcome that counts it;
    None if there is none.
    """
    if context.presses >= MOST_PRESSES:
        return "too_often", "flood"
    if isinstance(press.data, ForgedData):
        return "forged", "forged"
    return None if config.is_on else ("switched_off", "off")


def _old(card: ShownCard | None, language: str) -> RichText:
    if card is not None and card.link:
        return act(language, "old_button", link=card.link)
    return act(language, "old_button_alone")


_RIGHTS: dict[Verb, Right] = {
    "take": "take", "release": "take", "over": "take",
    "silence": "silence", "menu": "silence", "ask": "silence", "end": "silence",
    "group": "silence_wide",
}  # fmt: skip


def _granted(case: _Case) -> Granted | PressEffects:
    rules = case.config.actions.rules if case.config.actions else ()
    labels = [each.labels for each in case.alerts]
    found = judge_rights(rules, case.press.presser, _RIGHTS[case.data.verb], labels)
    if isinstance(found, Denied):
        ask = ", ".join(found.ask[:_MOST_ASKED])
        text = case.say("denied", ask=ask) if ask else case.say("denied_alone")
        return case.effects("denied", text, alert=True)
    return found


def _carry_out(case: _Case, granted: Granted) -> PressEffects:
    match case.data.verb:
        case "take" | "over":
            return _take(case)
        case "release":
            return _release(case)
        case "silence" | "group":
            return _silence(case, granted)
        case "menu" | "ask":
            return _menu(case, granted)
        case "end":
            return _end(case)


def _takes(case: _Case) -> dict[str, Taken]:
    """The takes in force, of the present episodes of the alerts."""
    found: dict[str, Taken] = {}
    for alert in case.alerts:
        taken = in_force(case.context.takes.get(alert.key), alert, case.window)
        if taken is not None:
            found[alert.key] = carried(taken, alert)
    return found


def _take(case: _Case) -> PressEffects:
    told = case.context.told_at
    sure = case.data.verb == "over" or (told is not None and case.reader.now - told <= AGAIN)
    result = take(
        case.card.source, case.alerts, _takes(case), case.holder, case.reader.now, sure=sure
    )
    match result:
        case Took(taken, over):
            text = case.say("yours_over", name=", ".join(over)) if over else case.say("yours")
            return case.effects("done", text, takes=taken)
        case Already(since):
            return case.effects("nothing", case.say("yours_already", since=case.time(since)))
        case HeldBy():
            return _held(case, result)


def _release(case: _Case) -> PressEffects:
    """The holder gives the alert up; anyone else who presses twice takes it over."""
    told = case.context.told_at
    result = release(case.alerts, _takes(case), case.holder)
    match result:
        case Released(alerts):
            return case.effects("done", case.say("released"), released=alerts)
        case NotTaken():
            return case.effects("nothing", case.say("not_taken"))
        case HeldBy():
            if told is not None and case.reader.now - told <= AGAIN:
                return _take(case)
            return _held(case, result)


def _held(case: _Case, held: HeldBy) -> PressEffects:
    text = case.say("held", name=held.holder.name, since=case.time(held.since))
    return case.effects("held", text, alert=True, offers=True)


def _silence(case: _Case, granted: Granted) -> PressEffects:
    seconds, source, now = float(case.data.number), case.card.source, case.reader.now
    if source not in case.config.alertmanagers:
        return case.effects("nothing", case.say("no_alertmanager"), alert=True)
    if seconds > granted.longest:
        text = case.say("too_long", age=str(case.reader.duration(granted.longest)))
        return case.effects("denied", text, alert=True)
    if seconds < 1.0:
        return case.effects("refused", case.say("silence_bad"), alert=True)
    verb: Literal["silence", "group"] = "group" if case.data.verb == "group" else "silence"
    already = _silent_until(case) if verb == "silence" else None
    if already is not None and already.until >= now + seconds:
        text = case.say("silent_already", until=case.time(already.until), name=already.by)
        return case.effects("nothing", text, alert=True)
    labels = tuple(each.labels for each in case.alerts)
    matchers = _matchers(case, granted, verb)
    if isinstance(matchers, CannotSilence):
        why = case.say(matchers.why)
        return case.effects("refused", case.say("not_silenced_line", why=why), alert=True)
    keys = tuple(each.key for each in case.alerts)
    longer = next((made for made in case.context.made if set(made.alerts) >= set(keys)), None)
    longer = None if verb == "group" else longer  # that would be another silence, of more alerts
    silencing = Silencing(
        id=case.action,
        source=source,
        kind="silence",
        person=case.holder,
        asked_at=now,
        alerts=keys,
        labels=labels,
        matchers=longer.matchers if longer else matchers,
        seconds=seconds,
        comment=_reason(case),
        about=_about(case),
        wide=granted.wide,
        replaces=longer.silence_id if longer else "",
        starts_at=longer.starts_at if longer else 0.0,
        due=now,
    )
    age = str(case.reader.duration(seconds))
    text = case.say("silencing", len(case.alerts), age=age)
    text = case.say("silencing_group", age=age) if verb == "group" else text
    return case.effects("asked", text, silencings=(silencing,))


def _menu(case: _Case, granted: Granted) -> PressEffects:
    """The menu of a silence; the whole group is in it if the person may silence that."""
    if case.card.source not in case.config.alertmanagers:
        return case.effects("nothing", case.say("no_alertmanager"), alert=True)
    verbs: tuple[Literal["silence", "group"], ...]
    verbs = ("silence", "group") if granted.wide else ("silence",)
    labels = tuple(each.labels for each in case.alerts)
    found = {verb: _matchers(case, granted, verb) for verb in verbs}
    if found.get("group") == found["silence"]:
        del found["silence"]
    choices = tuple(
        SilenceChoice(verb, matchers, labels)
        for verb, matchers in found.items()
        if not isinstance(matchers, CannotSilence)
    )
    menu = SilenceMenu(case.card.source, case.data, choices, granted.longest)
    return case.effects("asked", case.say("silence_how"), asks=True, menu=menu)


def _matchers(
    case: _Case, granted: Granted, verb: Literal["silence", "group"]
) -> tuple[Matcher, ...] | CannotSilence:
    labels = [each.labels for each in case.alerts]
    if verb == "group":
        return group_matchers(labels, case.card.group_labels)
    return silence_matchers(labels, case.card.group_labels, wide=granted.wide)


def _silent_until(case: _Case) -> Suppressed | None:
    """The silence that ends first, if each of the alerts is silenced."""
    found = [case.context.suppressed.get(each.key) for each in case.alerts]
    silenced = [each for each in found if each is not None and each.kind == "silenced"]
    if len(silenced) < len(case.alerts):
        return None
    return min(silenced, key=lambda each: each.until)


def _about(case: _Case) -> str:
    """`HighErrorRate, by Anna (telegram 12)`; an anonymous administrator is not named."""
    who, title = case.press.presser, case.card.title
    by = (
        case.holder.name
        if case.holder.anonymous
        else f"{case.holder.name} ({who.platform} {who.id})"
    )
    return f"{title}, by {by}" if title else f"by {by}"


def _reason(case: _Case) -> str:
    """What the person wrote, on one line."""
    reason = "".join(char if char.isprintable() else " " for char in case.press.reason)
    return " ".join(reason.split())[:_LONGEST_REASON]


def _end(case: _Case) -> PressEffects:
    ids = dict.fromkeys(
        found.silence_id
        for each in case.alerts
        if (found := case.context.suppressed.get(each.key)) is not None and found.silence_id
    )
    if case.card.source not in case.config.alertmanagers:
        return case.effects("nothing", case.say("no_alertmanager"), alert=True)
    if not ids:
        return case.effects("nothing", case.say("not_silenced"))
    silencings = tuple(
        Silencing(
            id=f"{case.action}-{at}" if at else case.action,
            source=case.card.source,
            kind="end",
            person=case.holder,
            asked_at=case.reader.now,
            alerts=tuple(each.key for each in case.alerts),
            silence_id=silence_id,
            phase="delete",
            due=case.reader.now,
        )
        for at, silence_id in enumerate(ids)
    )
    return case.effects("asked", case.say("ending"), silencings=silencings)
