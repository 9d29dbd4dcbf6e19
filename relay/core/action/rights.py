"""Rights: the first rule that matches the person and the alert decides; without one nothing is
allowed.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from relay.core.action.settings import (
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
from relay.core.alert import Labels
from relay.core.routing.matcher import matches
from relay.core.text.message import Mention


class Presser(Struct, frozen=True):
    """The person who pressed, as named by the platform's own answer. `name` is what the platform
    shows.

    `admin`: an administrator of the Telegram chat, by Telegram's answer to a bot that is one
    itself. `anonymous`: the person acts in the name of the chat and is not to be named.
    """

    platform: str
    id: str
    name: str = ""
    roles: frozenset[str] = frozenset()
    admin: bool = False
    anonymous: bool = False


class Granted(Struct, frozen=True):
    """Allowed. A silence may last at most `longest` seconds; with `wide` it may mute more than the
    card.
    """

    longest: float
    wide: bool = False


class Denied(Struct, frozen=True):
    """Not allowed. `ask` are those who may do it, in the words of the configuration."""

    ask: tuple[str, ...]


Judgement = Granted | Denied


def known_person(people: Iterable[Person], presser: Presser) -> Person | None:
    """The person of the configuration who pressed, or None."""
    found = (each for each in people if presser.id and each.id_on(presser.platform) == presser.id)
    return next(found, None)


def judge_rights(
    rules: Sequence[ActionRule], presser: Presser, right: Right, alerts: Sequence[Labels]
) -> Judgement:
    """Whether the person may do this with every one of the alerts. Without alerts nobody may."""
    granted: list[ActionRule] = []
    for labels in alerts:
        rule = _first(rules, presser, labels)
        if rule is None or not _allows(rule, right):
            return Denied(_who_may(rules, right, labels))
        granted.append(rule)
    if not granted:
        return Denied(())
    wide = all("silence_wide" in rule.may for rule in granted)
    return Granted(min(rule.longest for rule in granted), wide)


def _allows(rule: ActionRule, right: Right) -> bool:
    """Whether the rule allows the act. The right to silence more than the card includes the right
    to silence.
    """
    return right in rule.may or (right == "silence" and "silence_wide" in rule.may)


def _first(rules: Iterable[ActionRule], presser: Presser, labels: Labels) -> ActionRule | None:
    found = (
        rule
        for rule in rules
        if any(is_one(who, presser) for who in rule.who) and matches(rule.matchers, labels)
    )
    return next(found, None)


def is_one(who: Who, presser: Presser) -> bool:
    """Whether `who` includes the person. An id counts only on its own platform."""
    match who:
        case Everyone():
            return True
        case ChatAdmins():
            return presser.platform == "telegram" and presser.admin
        case RoleId(number):
            return presser.platform == "discord" and number in presser.roles
        case UserId(platform, number):
            return presser.platform == platform and presser.id == number
        case Named(person):
            return bool(presser.id) and person.id_on(presser.platform) == presser.id


def spelled(who: Who) -> str:
    """`who` in the words of the configuration."""
    match who:
        case Everyone():
            return "everyone"
        case ChatAdmins():
            return "telegram_chat_admins"
        case RoleId(number):
            return f"discord_role:{number}"
        case UserId(platform, number):
            return f"{platform}_user:{number}"
        case Named(person):
            return person.name


def mentions_of(who: Iterable[Who], platform: str) -> tuple[Mention, ...]:
    """Those of `who` that can be mentioned on a platform."""
    found: list[Mention] = []
    for each in who:
        match each:
            case RoleId(number) if platform == "discord":
                found.append(Mention("role", number, number))
            case UserId(own, number) if own == platform:
                found.append(Mention("user", number, number))
            case Named(person) if person.id_on(platform):
                found.append(Mention("user", person.id_on(platform), person.name))
            case _:
                pass
    return tuple(found)


def _who_may(rules: Iterable[ActionRule], right: Right, labels: Labels) -> tuple[str, ...]:
    """Those who may: names first, then roles. `everyone` is left out, since it would not help."""
    words = [
        word
        for rule in rules
        if _allows(rule, right) and matches(rule.matchers, labels)
        for word in rule.words
        if word != "everyone"
    ]
    return tuple(dict.fromkeys(sorted(words, key=lambda word: ":" in word or "_" in word)))
