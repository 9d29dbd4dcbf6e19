"""Judging a press: what it changes, and what the person who pressed is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.action.episode import ShownAlert
from relay.core.action.judge import MOST_PRESSES, judge
from relay.core.action.keyboard import ButtonPlace, keyboard, lines
from relay.core.action.marks import ActingMarks, Known, TakenMark, marks_of
from relay.core.action.press import Press, PressContext, PressEffects, ShownCard
from relay.core.action.pressed import ButtonData, ForgedData, OldData, Verb, decode
from relay.core.action.reconcile import Suppressed
from relay.core.action.rights import Presser
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    ActionRule,
    AlertmanagerConfig,
    Everyone,
    Named,
    Person,
)
from relay.core.action.silence import Silencing
from relay.core.action.take import Holder, Taken
from relay.core.text.times import Reader

PERSON = Person("Anna", "12", "34")
ANNA, STRANGER = Presser("telegram", "12", "anna_x"), Presser("telegram", "99", "Mallory\n<b>")
A = ShownAlert({"alertname": "A", "pod": "a"}, 100.0, seq=1)
B = ShownAlert({"alertname": "A", "pod": "b"}, 100.0, seq=2)
OVER = ShownAlert({"alertname": "A", "pod": "c"}, 100.0, firing=False, seq=1)
CARD = ShownCard("card-name-1", "", {"alertname": "A"}, (A, B, OVER), title="A")
RULES = (
    ActionRule((Named(PERSON),), frozenset({"take", "silence"}), words=("Anna",)),
    ActionRule((Everyone(),), frozenset({"take"}), words=("everyone",)),
)
CONFIG = ActingConfig((PERSON,), ActionConfig(RULES), {"": AlertmanagerConfig("", ("http://am",))})
NOW = 1000.0
READER = Reader("en", "UTC", NOW)
BEN = Holder("Ben", "Ben")


def press(verb: Verb = "take", who: Presser = ANNA, seq: int = 2, number: int = 0) -> Press:
    data = ButtonData(verb, CARD.name, seq, number)
    return Press("1", who, "-1001", "5", data, NOW)


def pressed(
    what: Press, context: PressContext | None = None, config: ActingConfig = CONFIG
) -> PressEffects:
    return judge(what, context or PressContext(CARD), config, READER, 1800.0, "act1")


def had(alert: ShownAlert, holder: Holder = BEN) -> dict[str, Taken]:
    return {alert.key: Taken("", alert.key, alert.starts_at, holder, 900.0)}


def silenced(*alerts: ShownAlert, until: float = 5000.0) -> dict[str, Suppressed]:
    return {each.key: Suppressed("silenced", until, "Ben", "deploy", "s1") for each in alerts}


def test_a_press_takes_the_alerts_that_fire_and_were_shown() -> None:
    both = pressed(press())
    assert {each.alert for each in both.takes} == {A.key, B.key}
    assert (both.outcome, both.answer.text.text, both.answer.alert) == (
        "done",
        "It is yours.",
        False,
    )
    only = pressed(press(seq=1))  # the message showed only A
    assert [each.alert for each in only.takes] == [A.key]


def test_what_ben_has_is_told_once_and_taken_over_by_the_second_press() -> None:
    context = PressContext(CARD, takes=had(A))
    told = pressed(press(), context)
    assert (told.outcome, told.takes, told.answer.offers) == ("held", (), True)
    assert "Ben has it since 00:15" in told.answer.text.text
    for again in (
        pressed(press("over"), context),
        pressed(press(), replace(context, told_at=NOW - 60.0)),
        pressed(press("release"), replace(context, told_at=NOW - 60.0)),
    ):
        assert {each.holder.name for each in again.takes} == {"Anna"}
        assert again.answer.text.text == "It is yours now; Ben had it."
    assert pressed(press(), replace(context, told_at=NOW - 61.0)).outcome == "held"


def test_a_take_of_an_earlier_episode_is_in_nobodys_way() -> None:
    old = {A.key: Taken("", A.key, -9000.0, BEN, -8990.0)}
    assert pressed(press(seq=1), PressContext(CARD, takes=old)).outcome == "done"


def test_one_releases_ones_own() -> None:
    own = had(A, Holder("Anna", "Anna"))
    freed = pressed(press("release"), PressContext(CARD, takes=own))
    assert (freed.outcome, freed.released) == ("done", (A.key,))
    assert pressed(press("release")).outcome == "nothing"


def test_the_same_person_on_the_other_platform_is_the_same_person() -> None:
    own = had(A, Holder("Anna", "Anna")) | had(B, Holder("Anna", "Anna"))
    discord = pressed(press(who=Presser("discord", "34", "ann")), PressContext(CARD, takes=own))
    assert discord.outcome == "nothing"
    assert "yours since" in discord.answer.text.text


def test_a_silence_is_asked_for_with_all_that_alertmanager_needs() -> None:
    found = pressed(press("silence", number=3600))
    assert found.answer.text.text == "Asking Alertmanager for 1\xa0h: 2 alerts."
    (silencing,) = found.silencings
    assert [str(each) for each in silencing.matchers] == ['alertname="A"', 'pod=~"a|b"']
    assert (silencing.id, silencing.person.name, silencing.seconds) == ("act1", "Anna", 3600.0)
    assert (silencing.comment, silencing.about) == ("", "A, by Anna (telegram 12)")
    assert (silencing.state, silencing.due, silencing.wide) == ("asked", NOW, False)


def test_who_may_not_is_told_whom_to_ask_and_changes_nothing() -> None:
    found = pressed(press("silence", STRANGER, number=3600))
    assert found.outcome == "denied"
    assert found.answer.text.text == "You may not do this here. Ask Anna."
    assert found.answer.alert
    too_long = pressed(press("silence", number=2 * 86400))
    assert too_long.answer.text.text == "You may silence for 1\xa0d at most."
    assert not found.silencings + too_long.silencings


def test_a_silence_that_lasts_longer_is_named_and_a_shorter_one_of_ours_is_made_longer() -> None:
    longer = pressed(press("silence", number=3600), PressContext(CARD, suppressed=silenced(A, B)))
    assert longer.outcome == "nothing"
    assert "already silenced until 01:23 (Ben)" in longer.answer.text.text
    made = Silencing(
        "old", "", "silence", BEN, 900.0, (A.key, B.key), silence_id="s1", starts_at=901.0
    )
    context = PressContext(CARD, suppressed=silenced(A, B, until=2000.0), made=(made,))
    (silencing,) = pressed(press("silence", number=3600), context).silencings
    assert (silencing.replaces, silencing.starts_at, silencing.matchers) == ("s1", 901.0, ())


def test_the_end_of_a_silence_is_asked_for_each_silence_once() -> None:
    found = pressed(press("end"), PressContext(CARD, suppressed=silenced(A, B)))
    (silencing,) = found.silencings
    assert (silencing.kind, silencing.silence_id, silencing.phase) == ("end", "s1", "delete")
    assert pressed(press("end")).outcome == "nothing"
    assert pressed(press("end", STRANGER), PressContext(CARD)).outcome == "denied"


def test_without_an_alertmanager_nothing_is_asked() -> None:
    bare = replace(CONFIG, alertmanagers={})
    for verb in ("silence", "menu", "end"):
        found = pressed(press(verb, number=60), config=bare)
        assert (found.outcome, found.silencings) == ("nothing", ())


@pytest.mark.parametrize(
    ("what", "context", "outcome", "text"),
    [
        (press(), PressContext(None), "old", "from an older message."),
        (press(), PressContext(replace(CARD, name="x")), "old", "from an older message."),
        (press(), PressContext(replace(CARD, name="x", link="t.me/1")), "old", "newest is t.me/1."),
        (
            press(),
            PressContext(replace(CARD, alerts=(OVER,), closed_at=900.0)),
            "over",
            "over since",
        ),
        (press(), PressContext(replace(CARD, alerts=())), "over", "It is over."),
        (press(seq=0), PressContext(CARD), "over", "It is over."),
        (press(), PressContext(CARD, presses=MOST_PRESSES), "flood", "wait a minute"),
        (replace(press(), data=ForgedData()), PressContext(CARD), "forged", "does not work"),
        (replace(press(), data=OldData()), PressContext(CARD), "old", "older message"),
    ],
)
def test_a_press_that_changes_nothing_says_why(
    what: Press, context: PressContext, outcome: str, text: str
) -> None:
    found = pressed(what, context)
    assert found.outcome == outcome
    assert text in found.answer.text.text
    assert not found.takes
    assert not found.silencings


def test_buttons_of_old_messages_say_that_they_are_switched_off() -> None:
    off = pressed(press(), config=ActingConfig())
    assert (off.outcome, off.answer.text.text) == ("off", "Buttons are switched off.")


def test_strangers_are_shown_by_the_platforms_name_and_anonymous_ones_by_none() -> None:
    (taken, _) = pressed(press(who=STRANGER)).takes
    assert taken.holder == Holder("Mallory <b> (telegram)", "telegram 99")
    hidden = replace(ANNA, anonymous=True)
    (taken, _) = pressed(press(who=hidden)).takes
    assert (taken.holder.name, taken.holder.anonymous) == ("an administrator", True)
    (silencing,) = pressed(press("silence", STRANGER, number=60), config=_all()).silencings
    assert silencing.about == "A, by Mallory <b> (telegram) (telegram 99)"


def _all() -> ActingConfig:
    everything = ActionRule((Everyone(),), frozenset({"take", "silence", "silence_wide"}))
    return replace(CONFIG, actions=ActionConfig((everything,)))


ids = st.sampled_from(["", "12", "34", "99", "0"])
pressers = st.builds(
    Presser, st.sampled_from(["telegram", "discord", "x"]), ids, st.text(max_size=8)
)
verbs = st.sampled_from(("take", "release", "over", "silence", "menu", "end"))


@given(pressers, verbs, st.integers(0, 10**9))
def test_nobody_without_the_right_silences_or_ends_anything(
    who: Presser, verb: Verb, number: int
) -> None:
    context = PressContext(CARD, suppressed=silenced(A))
    found = pressed(press(verb, who, number=number), context)
    is_anna = (who.platform, who.id) in (("telegram", "12"), ("discord", "34"))
    assert is_anna or not found.silencings
    if verb in ("silence", "menu", "end"):
        assert not found.takes


WHERE = ButtonPlace("here", CARD.name, 7, b"k")


def labels(marks: ActingMarks, config: ActingConfig = CONFIG) -> list[str]:
    rows = keyboard(config, marks, "", WHERE, READER)
    return [button.label for row in rows for button in row]


@pytest.mark.parametrize(
    ("marks", "wanted"),
    [
        (ActingMarks(loud=1), ["✋ Take", "🔕 1 h", "🔕 4 h", "🔕 …"]),
        (
            ActingMarks((TakenMark(BEN, 900.0),), loud=1),
            ["↩ Release", "🔕 1 h", "🔕 4 h", "🔕 …"],
        ),
        (ActingMarks(suppressed=(Suppressed("silenced", 5000.0),)), ["✋ Take", "🔔 End silence"]),
        (
            ActingMarks((TakenMark(BEN, 900.0),), 1, (Suppressed("silenced", 5000.0),), 1),
            ["✋ Take", "↩ Release", "🔔 End silence", "🔕 1 h", "🔕 4 h", "🔕 …"],
        ),
    ],
)
def test_the_buttons_of_each_state(marks: ActingMarks, wanted: list[str]) -> None:
    assert labels(replace(marks, asks=True)) == wanted
    assert labels(marks) == [each for each in wanted if each != "🔕 …"]  # as in a channel
    assert labels(marks, ActingConfig()) == []


def test_without_an_alertmanager_there_is_only_take_and_labels_are_short() -> None:
    assert labels(ActingMarks(), replace(CONFIG, alertmanagers={})) == ["✋ Take"]
    for language in ("en", "fr"):
        rows = keyboard(CONFIG, ActingMarks(), "", WHERE, Reader(language, "UTC", NOW))
        assert all(len(button.label) <= 14 for row in rows for button in row)


def test_the_data_of_a_button_says_card_and_delivery() -> None:
    (row,) = keyboard(CONFIG, ActingMarks(), "", WHERE, READER)
    data = decode(row[1].data, b"k", "here")
    assert data == ButtonData("silence", CARD.name, 7, 3600)


def asked(**changes: object) -> ActingMarks:
    silencing = Silencing("a", "", "silence", BEN, 985.0, (A.key,))
    return marks_of((A,), Known(asked=(replace(silencing, **changes),)), 1800.0, NOW)


@pytest.mark.parametrize(
    ("marks", "wanted"),
    [
        (ActingMarks(), []),
        (ActingMarks((TakenMark(BEN, 900.0),)), ["✋ Ben since 00:15"]),
        (ActingMarks((TakenMark(BEN, 900.0),), 1), ["✋ Ben since 00:15 · 1 new since"]),
        (
            ActingMarks(
                suppressed=(Suppressed("silenced", 5000.0, "Ben", "deploy [alert-relay x]"),)
            ),
            ["🔕 until 01:23 · Ben: deploy"],
        ),
        (
            ActingMarks(suppressed=(Suppressed("inhibited", by="NodeDown node-3"),)),
            ["inhibited by NodeDown node-3"],
        ),
        (asked(), ["⏳ asked 00:16"]),
        (asked(tries=1), ["⏳ asked 00:16, Alertmanager does not answer"]),
        (
            asked(state="refused", why="wide", mutes=3),
            ["⚠ not silenced: it would mute 3 other alerts"],
        ),
        (asked(state="refused", why="bad regex"), ["⚠ not silenced: bad regex"]),
        (asked(state="unknown", why="down"), ["⚠ not silenced: down"]),
        (asked(state="done"), []),
        (ActingMarks(lost=("Prometheus", 240.0)), ["no news from Prometheus since 00:04"]),
    ],
)
def test_the_lines_of_each_state(marks: ActingMarks, wanted: list[str]) -> None:
    assert [line.text for line in lines(marks, READER)] == wanted


def test_an_anonymous_administrator_is_named_in_the_readers_language() -> None:
    hidden = Holder("an administrator", "telegram 1", anonymous=True)
    (line,) = lines(ActingMarks((TakenMark(hidden, 900.0),)), Reader("fr", "UTC", NOW))
    assert line.text == "✋ un administrateur depuis 00:15"
