"""The words of `who`: people of the file, users and roles by number, and words for groups of
people.
"""

import re
from collections.abc import Set

from relay.config.report import Report
from relay.config.schema import File
from relay.config.schema_acting import PersonConfig
from relay.config.source import Loc
from relay.core.action.settings import ChatAdmins, Everyone, Named, Person, RoleId, UserId, Who
from relay.core.duration import quote
from relay.platforms.scalar import nearest

_ID = re.compile(r"[1-9][0-9]{0,19}")
_WORDS: dict[str, Who] = {"everyone": Everyone(), "telegram_chat_admins": ChatAdmins()}
_KINDS = ("discord_role", "discord_user", "telegram_user")
FORMS = "write a name of people, everyone, telegram_chat_admins or discord_role:ID"


def people_of(file: File, report: Report) -> dict[str, Person]:
    """The people of the file by name. Faults are reported."""
    found: dict[str, Person] = {}
    ids: dict[tuple[str, str], str] = {}
    for index, model in enumerate(file.people):
        loc: Loc = ("people", index)
        if model.name in found:
            report.fault((*loc, "name"), f"a second {quote(model.name)}")
        if model.name in _WORDS or ":" in model.name or not model.name.strip():
            report.fault(
                (*loc, "name"), f"{quote(model.name)} is a reserved word: choose another name"
            )
        if not model.telegram and not model.discord:
            report.lack(loc, 'a person needs "telegram" or "discord", a numeric id')
        found.setdefault(model.name, _person(model, loc, ids, report))
    return found


def _person(
    model: PersonConfig, loc: Loc, ids: dict[tuple[str, str], str], report: Report
) -> Person:
    for platform in ("telegram", "discord"):
        number = getattr(model, platform)
        if number and not _ID.fullmatch(number):
            report.fault((*loc, platform), "a person is known by a numeric id, not by a name")
        elif number:
            other = ids.setdefault((platform, number), model.name)
            if other != model.name:
                report.fault((*loc, platform), f"this is the id of {quote(other)} as well")
    return Person(model.name, model.telegram, model.discord)


def who(word: str, people: dict[str, Person], loc: Loc, report: Report) -> Who | None:
    """The people that a word of `who` names; None, reported, if it names nobody."""
    if word in _WORDS:
        return _WORDS[word]
    if word in people:
        return Named(people[word])
    kind, colon, number = word.partition(":")
    if colon and kind in _KINDS:
        if not _ID.fullmatch(number):
            thing = "a role" if kind == "discord_role" else "a user"
            report.fault(loc, f"{thing} is known by its number, not by its name: {quote(word)}")
            return None
        return RoleId(number) if kind == "discord_role" else UserId(kind.partition("_")[0], number)
    hint = nearest(word, [*people, *_WORDS, *(f"{each}:{number}" for each in _KINDS)])
    report.fault(loc, f"unknown person {quote(word)}{hint or ': ' + FORMS}")
    return None


def mentioned(
    word: str, people: dict[str, Person], platforms: Set[str], loc: Loc, report: Report
) -> Who | None:
    """Whom a word of `who` mentions in chats of these platforms; None, reported, if it names
    nobody. Warns if none of the platforms can mention that person.
    """
    found = who(word, people, loc, report)
    if found is not None:
        _check_mention(found, platforms, loc, report)
    return found


def _check_mention(mentioned: Who, platforms: Set[str], loc: Loc, report: Report) -> None:
    if isinstance(mentioned, Everyone | ChatAdmins):
        report.fault(loc, "a mention names a person, a user or a role")
        return
    known = known_on(mentioned)
    if platforms and not platforms & known:
        where = " and ".join(sorted(platforms))
        report.warn(loc, f"this mentions nobody on {where}")


def known_on(mentioned: Who) -> frozenset[str]:
    """The platforms on which a person or role can be mentioned."""
    match mentioned:
        case Named(person):
            return frozenset(each for each in ("telegram", "discord") if person.id_on(each))
        case RoleId():
            return frozenset({"discord"})
        case UserId(platform):
            return frozenset({platform})
        case Everyone() | ChatAdmins():
            return frozenset()
