"""The public classes of the core, the store and the platforms are named by words that anyone finds:
those of the glossary, or plain words of the field. A new word needs a row in docs/glossary.md; a
plain one is added below.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
ROOMS = ("core", "store", "platforms")

PLAIN = """
    account address answer attachment back begin block bot builder busy by cannot change channel
    chat chats choice close command compiled composed config connection contents context contract
    costly counts create data database details diff dir directory discord down draft duration edit
    effects embed end endpoint entity error explained facts fault field file finding form global
    html http id in info interval invalid item job key label later lifecycle limit line link
    list lock markdown markup me membership mention message missing model moved name namespace
    new newer no nothing open options outgoing pace page pair parsed part people period person piece
    platform poll post printable protocol purge query queue rank rate reader reason ref refusal
    remove request reserve response result retention retry revoke rewrite rich row rule run
    callback component failure gateway interaction known member pace ping ready receive
    reconnect session
    callback component failure gateway interaction known member pace ping ready
    receive reconnect session strict
    callback component failure gateway interaction known member pace
    ping ready receive reconnect session
    strict
    admin flow minute postgres sql unspread
    sandbox save schema secret send shape shared side situation span sqlite start state status
    storage store style table telegram template text thread time tls to too topic transaction
    turn unit use user version wait webhook whole writer writing
    copied durability kind pipelined prefetch statement
    acting action admins alertmanager already api ask count everyone find header last mark not old
    place presence role silence write
    backup relay show up
    again callback component hear member over ping ready
"""
# Verbs and participles: what is done, and what has happened.
DONE = """
    absorb accepted advanced answered arriving attempted begun called changed committed
    contradicted counted damaged denied drawn dropped ended ending failed folded gone heard hidden
    ignored imported labelled late limited listens loaded migrated noted owed queued
    reached recorded refused refusing rejected rendered retried routed routing salvaged seen
    settled shown
    subscriber times
    unavailable unknown unreachable wreck wrecked
    absent counted expire forged found granted held lost named outage proved reconciled released
    took written
    backed closed kept remembered stored
"""


def plain_words() -> set[str]:
    return {*PLAIN.split(), *DONE.split()}


def glossary_words() -> set[str]:
    rows = re.findall(r"^\| ([^|]+?) \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    words = (word.strip(" `") for row in rows for word in row.split(","))
    return {each for word in words for each in (word, *split(word))}


def split(name: str) -> list[str]:
    """The words of a name in CamelCase, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 else word


def public_classes() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / "relay" / room).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield path.relative_to(ROOT).as_posix(), node.name


def strange_words(name: str) -> list[str]:
    known = plain_words() | glossary_words()
    if name in known:
        return []
    return [word for word in split(name) if word not in known and singular(word) not in known]


@pytest.mark.medium
def test_every_public_class_is_named_by_words_of_the_glossary_or_of_the_field() -> None:
    strange = {
        f"{path}: {name}": words
        for path, name in public_classes()
        if (words := strange_words(name))
    }
    assert strange == {}, "give the word a row in docs/glossary.md, or take a plain one"


@pytest.mark.parametrize("name", ["Heed", "Outturn", "SayingTaken", "Upkeep", "Manners", "Told"])
def test_a_coined_word_is_found(name: str) -> None:
    assert strange_words(name) != []


@pytest.mark.parametrize("name", ["Card", "LaneState", "RetryLater", "SqliteStore", "ActiveConfig"])
def test_a_word_of_the_field_is_none(name: str) -> None:
    assert strange_words(name) == []
