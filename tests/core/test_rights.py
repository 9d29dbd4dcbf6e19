"""Who may do what: the first rule that matches person and alert decides, none denies."""

import pytest

from relay.core.action.rights import (
    Denied,
    Granted,
    Presser,
    judge_rights,
    known_person,
)
from relay.core.action.settings import (
    DAY,
    ActionRule,
    ChatAdmins,
    Everyone,
    Named,
    Person,
    Right,
    RoleId,
    UserId,
    Who,
)
from relay.core.routing.matcher import parse

ANNA = Person("Anna", "12345", "678")
DB, WEB = {"alertname": "A", "team": "db"}, {"alertname": "B", "team": "web"}
NOBODY = Presser("telegram", "9")


def rule(
    *who: Who, may: tuple[Right, ...] = ("take",), on: str = "", longest: float = DAY
) -> ActionRule:
    words = tuple(type(each).__name__ for each in who)
    return ActionRule(who, frozenset(may), parse(on) if on else (), longest, words)


@pytest.mark.parametrize(
    ("who", "presser", "may"),
    [
        (Everyone(), NOBODY, True),
        (Named(ANNA), Presser("telegram", "12345"), True),
        (Named(ANNA), Presser("discord", "678"), True),
        (Named(ANNA), Presser("discord", "12345"), False),
        (Named(ANNA), Presser("telegram", "9", name="Anna"), False),
        (Named(Person("Ben")), Presser("telegram", ""), False),
        (RoleId("111"), Presser("discord", "9", roles=frozenset({"111", "2"})), True),
        (RoleId("111"), Presser("discord", "9", name="111"), False),
        (RoleId("111"), Presser("telegram", "9", roles=frozenset({"111"})), False),
        (ChatAdmins(), Presser("telegram", "9", admin=True), True),
        (ChatAdmins(), NOBODY, False),
        (ChatAdmins(), Presser("discord", "9", admin=True), False),
        (UserId("telegram", "9"), NOBODY, True),
        (UserId("discord", "9"), NOBODY, False),
    ],
)
def test_people_are_known_by_ids_on_their_platform(who: Who, presser: Presser, may: bool) -> None:
    judged = judge_rights([rule(who)], presser, "take", [DB])
    assert isinstance(judged, Granted) is may


def test_without_a_rule_nothing_may_be_done() -> None:
    assert judge_rights([], NOBODY, "take", [DB]) == Denied(())
    assert judge_rights([rule(Everyone())], NOBODY, "take", []) == Denied(())


def test_the_first_rule_that_fits_decides_even_if_a_later_one_allows_more() -> None:
    rules = [
        rule(Everyone(), on='team="db"'),
        rule(Everyone(), may=("take", "silence")),
    ]
    assert isinstance(judge_rights(rules, NOBODY, "silence", [DB]), Denied)
    assert isinstance(judge_rights(rules, NOBODY, "silence", [WEB]), Granted)


def test_every_alert_has_to_be_allowed_and_the_shortest_bound_holds() -> None:
    rules = [
        rule(Everyone(), may=("silence",), on='team="db"', longest=60.0),
        rule(Everyone(), may=("silence", "silence_wide"), on='team="web"'),
    ]
    assert judge_rights(rules, NOBODY, "silence", [DB, WEB]) == Granted(60.0, wide=False)
    assert judge_rights(rules, NOBODY, "silence", [WEB]) == Granted(DAY, wide=True)
    assert isinstance(judge_rights(rules, NOBODY, "silence", [DB, {"team": "x"}]), Denied)


def test_taking_and_silencing_are_apart() -> None:
    only_wide = [rule(Everyone(), may=("silence_wide",))]
    assert isinstance(judge_rights(only_wide, NOBODY, "take", [DB]), Denied)
    assert isinstance(judge_rights(only_wide, NOBODY, "silence", [DB]), Granted)


def test_a_refusal_says_whom_to_ask_people_first() -> None:
    rules = [
        ActionRule(
            (RoleId("1"), Named(ANNA), Everyone()),
            frozenset({"silence"}),
            parse('team="db"'),
            words=("discord_role:1", "Anna", "everyone"),
        ),
        ActionRule((Everyone(),), frozenset({"take"}), words=("everyone",)),
    ]
    plain = Presser("discord", "9")
    assert isinstance(judge_rights(rules, plain, "silence", [DB]), Granted)
    rules[0] = ActionRule(rules[0].who[:2], rules[0].may, rules[0].matchers, words=rules[0].words)
    assert judge_rights(rules, plain, "silence", [DB]) == Denied(("Anna", "discord_role:1"))


def test_a_person_is_found_by_id_and_not_by_name() -> None:
    assert known_person([ANNA], Presser("discord", "678")) == ANNA
    assert known_person([ANNA, Person("Ben")], Presser("telegram", "")) is None
    assert known_person([ANNA], Presser("telegram", "678", name="Anna")) is None
