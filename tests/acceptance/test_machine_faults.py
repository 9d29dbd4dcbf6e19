"""Faults that depend on the message, on the number of the call, on a box in between and on other
chats, in any order with everything else: one fault, one card.
"""

import re

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.event import Event
from relay.core.routing.route import Route, Routing
from relay.operate.housekeeping import GRACE, Housekeeping
from relay.platforms.http import NoAnswer, Request, Response
from relay.sandbox.faults import FaultKind
from tests.acceptance import test_machine as machine
from tests.acceptance.test_machine import (
    FAULTS,
    PLACES,
    Again,
    Crash,
    Fail,
    Kick,
    Pass,
    Post,
)
from tests.build import POLICY, T0
from tests.need import share
from tests.world import CHAT, HOOK, SPARE, AtOnce, World, discord_target, telegram_target

# What a box in between does to a call, or a late answer.
BOX: tuple[FaultKind, ...] = (
    "502", "hang", "cut before", "cut after", "not json", "blocked", "too large", "slow", "empty",
    "half", "redirect", "endless", "429", "other json", "throttled",
)  # fmt: skip
LATE = 20.0  # seconds: later than an answer is waited for
EXPIRE_AFTER, LONG = 30_000.0, 40_000.0  # seconds: a wait may be longer than anything waits


class Spoil(Struct, frozen=True):
    """For a while calls fail that hold a text, each so-manieth of them, or those just after a call
    to another chat.
    """

    kind: FaultKind
    text: str
    every: int
    beside: str
    seconds: float


class Rest(Struct, frozen=True):
    """A chat asks to wait for longer than a delivery may."""

    place: int


class Expire(Struct, frozen=True):
    """What is old enough expires."""


class Box(machine.Night):
    """A night in which each request is kept, and what expires is judged by them."""

    def __init__(self) -> None:
        super().__init__()
        soon = replace(POLICY, expire_after=EXPIRE_AFTER)
        group = telegram_target(policy=replace(soon, fallback="spare"))
        spare = telegram_target(SPARE, replace(soon, receiver="spare"))
        here = {"ops": (group, discord_target(soon)), "spare": (spare,)}
        self.world = World(*here["ops"], spare, routing=Routing(Route("ops"), here))
        self.rested = False
        self.requests: list[tuple[float, str, bytes]] = []
        self.told_events: list[Event] = []
        send, clock = self.world.send, lambda: self.world.now

        async def kept(request: Request) -> Response | NoAnswer:
            self.requests.append((self.world.now, _where(request), request.body))
            return await send(request)

        self.world.pipeline._calls._exchange = kept
        world = self.world
        self.housekeeping = Housekeeping(
            world.store, AtOnce(world.store), clock, self.told_events.append, world.config
        )
        self.housekeeping._started_at -= GRACE

    async def happen(self, what: object) -> None:
        match what:
            case Spoil(kind, text, every, beside, seconds):
                self.may_be_repeated = self.may_be_repeated or kind in ("cut after", "slow")
                now = self.world.now
                for platform, place in PLACES:
                    self.world.faults.add(
                        platform, str(place), kind, since=now, until=now + seconds, seconds=LATE,
                        text=text, every=every, beside=beside,
                    )  # fmt: skip
            case Rest(place):
                self.rested = True
                platform, chat = PLACES[place]
                self.world.faults.add(platform, str(chat), "429", count=1, seconds=LONG)
            case Expire():
                await self.housekeeping.round()
                self._check_expired()
            case _:
                await super().happen(what)  # type: ignore[arg-type]

    def _check_expired(self) -> None:
        """Each was tried since it was accepted, by a call that names its group or a digest, or its
        chat was refused as a whole.
        """
        rows = self.world.store._db.execute(  # type: ignore[attr-defined]
            "SELECT key, grp, accepted_at FROM delivery JOIN lane ON lane.id = lane"
            " WHERE settlement = 'expired'"
        ).fetchall()
        refused = [at for at, *_ in self._refusals()]
        for key, group, at in rows:
            number, chat = re.search(r":(\d)\"", group), re.search(r'"chat":"(.*?)"', key)
            assert number is not None
            assert chat is not None
            named = f"Group{number[1]}".encode()
            tried = [
                when
                for when, where, body in self.requests
                if where == chat[1] and named in body and when >= at
            ]
            assert tried or any(when >= at for when in refused), (group, at - T0)

    def _refusals(self) -> list[tuple[float, str]]:
        return [(call.at, call.why) for call in self.world.telegram.calls if "kicked" in call.why]

    async def end(self) -> None:
        """Whoever asked to wait has been waited for; then as ever."""
        self.world.faults.clear()
        await self.world.run(until=self.world.now - T0 + (LONG if self.rested else 0))
        await super().end()

    def check(self) -> None:
        assert not [row for row in self.world.balance() if row.dead], self.world.events
        self.check_told()

    def check_told(self) -> None:
        if any(row.expired for row in self.world.balance()):
            return  # what expired may have been over before its chat could be told
        super().check()


def _where(request: Request) -> str:
    """The chat that a request is for, as lanes name it: none for a webhook."""
    found = re.search(rb'"chat_id":"?(-?\d+)', request.body)
    return found[1].decode() if found else ""


spoils = st.builds(
    Spoil,
    st.sampled_from(BOX),
    st.sampled_from(("", "Group0", "Group1", "n1", "n2", "resolved")),
    st.integers(1, 3),
    st.sampled_from(("", str(CHAT), str(HOOK))),
    st.sampled_from((1.0, 30.0, 400.0, 5000.0, LONG)),
)
many = st.lists(
    st.one_of(
        st.builds(
            Post,
            st.integers(0, 2),
            st.tuples(*[st.sampled_from(("firing", "firing", "resolved", "absent"))] * 3),
            st.sampled_from(machine.REASONS),
            st.integers(1, 2),
        ),
        st.builds(Again, st.integers(0, 3)),
        st.builds(Fail, st.sampled_from(FAULTS), st.sampled_from((1.0, 30.0, 400.0))),
        st.builds(Crash, st.booleans()),
        st.builds(Pass, st.sampled_from((0.5, 3.0, 20.0, 130.0, 2000.0, 31_000.0))),
        st.builds(Kick, st.sampled_from((1.0, 200.0, 1000.0))),
        st.just(Expire()),
        st.builds(Rest, st.integers(0, 2)),
        spoils,
        spoils,
    ),
    max_size=25,
)
SOME = settings(
    max_examples=120,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    derandomize=True,
)


FIRE = [Post(number, ("firing", "absent", "absent")) for number in range(2)]


@pytest.mark.medium
@SOME
@given(many)
@example([Rest(0), FIRE[0], Pass(3.0), FIRE[1], Pass(31_000.0), Expire()])  # the second is untried
async def test_the_promises_hold_whatever_a_fault_depends_on(script: list[object]) -> None:
    await machine.live(Box(), script)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(SOME, max_examples=share(3000))
@given(many)
async def test_the_promises_hold_whatever_a_fault_depends_on_for_long(
    script: list[object],
) -> None:
    await machine.live(Box(), script)  # type: ignore[arg-type]
