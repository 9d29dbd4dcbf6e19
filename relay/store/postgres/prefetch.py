"""What a transaction is about to read, by what earlier ones of its kind have read: it is asked for
together with the first of it, so that one wait brings all.

A guess is a statement with its parameters. Only a statement that is the same, before anything was
written to a table of it, gets what a guess brought: a wrong guess costs the database some work, and
changes nothing else. One that the database refuses costs another run of the transaction.
"""

import re
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from relay.store.postgres.pipelined import Cells, Reply

_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_WRITE = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
_REMEMBERED = 6  # transactions of a kind without it after which a read is no longer expected
_SURE = 2  # transactions with it after which it is
_MOST = 40  # reads that are asked for at once
_SELDOM = 8  # transactions of which one is learned from while all goes as expected
# Rows are locked in one order, and a clock is read when it is wanted: neither is asked for before.
_NEVER = re.compile(r"FOR UPDATE OF|name = 'accepted' FOR UPDATE|clock_timestamp")
_Params = tuple[Cells, ...]


class Tables(NamedTuple):
    """The tables of a statement, and whether it writes to the one that it names first."""

    tables: frozenset[str]
    writes: bool


@lru_cache(maxsize=1000)
def touched(sql: str) -> Tables:
    """What the statement reads or writes."""
    written = _WRITE.match(sql)
    if written:
        return Tables(frozenset((written[1],)), writes=True)
    return Tables(frozenset(_READ.findall(sql)), writes=False)


@lru_cache(maxsize=10_000)
def changes(write: str, read: str) -> bool:
    """Whether the write may change what the read gives. What is done to deliveries that are folded
    changes none that is not.
    """
    apart = "card IS NOT NULL" in write and "card IS NULL" in read
    return bool(touched(write).tables & touched(read).tables) and not apart


class _Source(NamedTuple):
    """Where a parameter comes from: `name` is what is given; a `constant` follows on a time that is
    given, or stands alone.
    """

    name: str
    constant: Cells = None


class _Key(NamedTuple):
    """A read that followed on another one, for the nth time."""

    sql: str
    sources: tuple[_Source, ...]
    nth: int


class _Guess(Struct):
    """A read that followed on another one: in how many transactions, and how many may come without
    it.
    """

    sql: str
    sources: tuple[_Source, ...]
    seen: int = 0
    credit: int = _REMEMBERED
    position: int = 0


class _Step(NamedTuple):
    """A statement of a transaction. `given` are how many values were known before it; `waited`: it
    was not guessed.
    """

    sql: str
    parameters: _Params
    given: int
    waited: bool


class PrefetchHistory:
    """What transactions of each kind read behind each statement that they waited for. Threads may
    share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fewest: dict[str, int] = {}
        self._times: Counter[str] = Counter()
        self._guesses: dict[tuple[str, str], dict[_Key, _Guess]] = {}

    def guesses(self, kind: str, sql: str, given: Mapping[str, Cells]) -> list[tuple[str, _Params]]:
        """What is expected behind this statement."""
        with self._lock:
            known = sorted(self._guesses.get((kind, sql), {}).values(), key=_position)
        found: list[tuple[str, _Params]] = []
        for guess in known:
            parameters = _filled(guess.sources, given) if guess.seen >= _SURE else None
            if parameters is not None:
                found.append((guess.sql, parameters))
        return found[:_MOST]

    def forget(self, kind: str) -> None:
        """Expects nothing of this kind of transaction until it is learned again."""
        with self._lock:
            for key in [key for key in self._guesses if key[0] == kind]:
                del self._guesses[key]

    def learn(self, kind: str, steps: Sequence[_Step], given: Mapping[str, Cells]) -> None:
        """Remembers how a transaction went."""
        with self._lock:
            self._learn(kind, steps, given)

    def _learn(self, kind: str, steps: Sequence[_Step], given: Mapping[str, Cells]) -> None:
        waited = sum(step.waited for step in steps)
        fewest = self._fewest[kind] = min(waited, self._fewest.get(kind, waited))
        self._times[kind] += 1
        if waited == fewest and self._times[kind] > _SELDOM and self._times[kind] % _SELDOM:
            return
        names = tuple(given.items())
        for at, step in enumerate(steps):
            if not step.waited:
                continue
            known = self._guesses.setdefault((kind, step.sql), {})
            for guess in tuple(known.values()):
                guess.credit -= 1
            for position, key in enumerate(_followed(steps[at + 1 :], names[: step.given])):
                kept = known.setdefault(key, _Guess(key.sql, key.sources))
                kept.seen, kept.credit, kept.position = kept.seen + 1, _REMEMBERED, position
            for key in [key for key, guess in known.items() if guess.credit <= 0]:
                del known[key]


def _position(guess: _Guess) -> int:
    return guess.position


def _followed(steps: Sequence[_Step], given: Sequence[tuple[str, Cells]]) -> list[_Key]:
    """The reads of these steps that no write before them changes."""
    written: list[str] = []
    times: Counter[tuple[str, tuple[_Source, ...]]] = Counter()
    found: list[_Key] = []
    for step in steps:
        if touched(step.sql).writes:
            written.append(step.sql)
        elif not any(changes(each, step.sql) for each in written) and not _NEVER.search(step.sql):
            read = (step.sql, tuple(_source(each, given) for each in step.parameters))
            times[read] += 1
            found.append(_Key(*read, times[read]))
    return found


def _source(told: Cells, given: Sequence[tuple[str, Cells]]) -> _Source:
    if told is None or told == ():  # of no type: in another transaction it is no value of theirs
        return _Source("", told)
    for name, value in given:
        if type(value) is type(told) and value == told:
            return _Source(name)
    if isinstance(told, float):
        for name, value in given:
            if isinstance(value, float) and value + (after := round(told - value, 3)) == told:
                return _Source(name, after)
    return _Source("", told)


def _filled(sources: Sequence[_Source], given: Mapping[str, Cells]) -> _Params | None:
    found: list[Cells] = []
    for name, constant in sources:
        if not name:
            found.append(constant)
            continue
        value = given.get(name)
        if value is None:
            return None
        if isinstance(constant, float) and isinstance(value, float):
            value += constant
        found.append(value)
    return tuple(found)


class Prefetch:
    """What one transaction has asked for before it was wanted."""

    def __init__(self, history: PrefetchHistory, kind: str, given: Mapping[str, Cells]) -> None:
        """`given`: values by name that it begins with."""
        self._history = history
        self._kind = kind
        self._given = dict(given)
        self._steps: list[_Step] = []
        self._asked: dict[tuple[str, _Params], deque[Reply]] = {}
        self._has_guessed = False

    def give(self, name: str, value: Cells) -> None:
        """Adds a value that is known from now on."""
        self._given.setdefault(name, value)

    def forget(self) -> None:
        """Forgets all guesses: they may be out of date."""
        self._asked.clear()

    def wrote(self, sql: str, parameters: Sequence[Cells], *, waited: bool = False) -> None:
        """The statement was sent; what was asked for of its table is no longer true."""
        self._stepped(sql, parameters, waited=waited)
        for key in [key for key in self._asked if changes(sql, key[0])]:
            del self._asked[key]

    def asked(self, sql: str, parameters: Sequence[Cells]) -> Reply | None:
        """The result that a guess brought for this read, if any."""
        key = (sql, tuple(parameters))
        replies = self._asked.get(key)
        found = replies.popleft() if replies else None
        self._stepped(sql, parameters, waited=found is None)
        return found

    def guesses(self, sql: str) -> list[tuple[str, _Params]]:
        """What to ask for beside this statement, which is waited for."""
        told = self._history.guesses(self._kind, sql, self._given)
        return [each for each in told if not self.has_asked(each)]

    def has_asked(self, guess: tuple[str, _Params]) -> bool:
        """Whether the guess was sent and its result is unused."""
        return bool(self._asked.get(guess))

    def _stepped(self, sql: str, parameters: Sequence[Cells], *, waited: bool) -> None:
        if waited:
            for at, value in enumerate(parameters):
                self.give(f"{sql} {at}", value)
        self._steps.append(_Step(sql, tuple(parameters), len(self._given), waited))

    def ask(self, guess: tuple[str, _Params], reply: Reply) -> None:
        """Notes that the guess was sent."""
        self._has_guessed = True
        self._asked.setdefault(guess, deque()).append(reply)

    def refused(self) -> bool:
        """Notes that the database refused a statement; whether it may have been a guess. None is
        made of this kind of transaction until it is learned again.
        """
        if self._has_guessed:
            self._history.forget(self._kind)
        return self._has_guessed

    def learn(self) -> None:
        """Notes that the transaction was committed."""
        self._history.learn(self._kind, self._steps, self._given)
