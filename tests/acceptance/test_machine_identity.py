"""Whatever groups and receivers of Alertmanager bring an alert, a chat has one firing line of it,
and that is true.
"""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from relay.core.alert import Alert, GroupId
from tests.acceptance.test_machine import FIRING
from tests.build import T0, alert, notification
from tests.need import share
from tests.world import CHANNEL, CHAT, World, discord_target, telegram_target

NAMES = ("n1", "n2", "n3", "n4")
# How Alertmanager groups the four: the number of the group of each.
GROUPINGS = ((0, 0, 0, 0), (0, 1, 2, 3), (0, 0, 1, 1), (0, 1, 1, 0))
FIRST, NEW, SOME_OVER, REPEAT = (
    "first notification",
    "new alerts added",
    "some alerts resolved",
    "repeat interval elapsed",
)


class Fire(Struct, frozen=True):
    """An alert begins to fire, and its group is posted."""

    which: int


class End(Struct, frozen=True):
    """An alert is over; that is posted, or the end gets lost (`send_resolved: false`)."""

    which: int
    posted: bool


class Regroup(Struct, frozen=True):
    """`group_by`, matchers or the name of the receiver are edited: other groups go on."""

    grouping: int
    receiver: str


class Twin(Struct, frozen=True):
    """A second receiver gets all alerts as well (`continue`), or does no more."""

    on: bool


class Repeat(Struct, frozen=True):
    """The repeat interval of every group is over."""


class Forget(Struct, frozen=True):
    """Alertmanager starts without its log, and is told again of some alerts at first, of all of
    them two minutes later.
    """

    known: tuple[bool, ...]


class Pass(Struct, frozen=True):
    """Time goes by."""

    seconds: float


Happening = Fire | End | Regroup | Twin | Repeat | Forget | Pass
happenings = st.lists(
    st.one_of(
        st.builds(Fire, st.integers(0, 3)),
        st.builds(End, st.integers(0, 3), st.booleans()),
        st.builds(Regroup, st.integers(0, 3), st.sampled_from(("relay", "renamed"))),
        st.builds(Twin, st.booleans()),
        st.builds(Repeat),
        st.builds(Forget, st.tuples(*[st.booleans()] * 4)),
        st.builds(Pass, st.sampled_from((0.0, 3.0, 30.0, 200.0, 4000.0))),
    ),
    max_size=16,
)


class Night:
    """An Alertmanager and what the chats show of it."""

    def __init__(self, *, reasons: bool) -> None:
        self.world = World(telegram_target(), discord_target())
        self.firing: dict[int, float] = {}
        self.grouping, self.receiver, self.twin = GROUPINGS[0], "relay", False
        self.reasons = reasons

    async def happen(self, what: Happening) -> None:
        match what:
            case Fire(which):
                # A start after the last report by a minute and more is a new episode.
                await self._pass(130.0)
                self.firing.setdefault(which, self.world.now)
                await self._post([self.grouping[which]], NEW)
            case End(which, posted) if which in self.firing:
                began = self.firing.pop(which)
                over = [self._alert(which, began, over=True)] if posted else []
                await self._post([self.grouping[which]], SOME_OVER, over)
            case Regroup(grouping, receiver):
                self.grouping, self.receiver = GROUPINGS[grouping], receiver
                await self._post(set(self.grouping), FIRST)
            case Twin(on):
                self.twin = on
                await self._post(set(self.grouping), FIRST)
            case Repeat():
                await self._post(set(self.grouping), REPEAT)
            case Forget(known):
                all_of_them = dict(self.firing)
                self.firing = {which: at for which, at in all_of_them.items() if known[which]}
                await self._post(set(self.grouping), FIRST)
                await self._pass(120.0)
                self.firing = all_of_them
                await self._post(set(self.grouping), NEW)
            case Pass(seconds):
                await self._pass(seconds)
            case _:
                pass

    async def _pass(self, seconds: float) -> None:
        await self.world.run(until=self.world.now - T0 + seconds)

    def _alert(self, which: int, began: float, *, over: bool = False) -> Alert:
        if over:
            return alert(NAMES[which], "resolved", at=began, ends=self.world.now, name="Group0")
        return alert(NAMES[which], at=began, name="Group0")

    async def _post(
        self, groups: Sequence[int] | set[int], reason: str, over: Sequence[Alert] = ()
    ) -> None:
        for receiver in (self.receiver, "twin")[: 1 + self.twin]:
            for group in sorted(groups):
                fires = [
                    self._alert(which, at)
                    for which, at in sorted(self.firing.items())
                    if self.grouping[which] == group
                ]
                if not fires and not over:
                    continue
                self.world.now += 0.25
                key = f"{{}}:{{{self.grouping},{group}}}"
                told = reason if self.reasons else ""
                posted = notification(*fires, *over, group=GroupId("", receiver, key), reason=told)
                await self.world.post(posted)

    async def end(self) -> None:
        """Every group is posted once more, and ten minutes pass."""
        await self._pass(60.0)
        await self._post(set(self.grouping), REPEAT)
        await self._pass(600.0)

    def check(self, ended: set[int]) -> None:
        telegram = [m.text for m in self.world.telegram.messages(CHAT)]
        for which, name in enumerate(NAMES):
            lines = [text for text in telegram if name in FIRING.findall(text)]
            if which in self.firing:
                assert len(lines) == 1, (name, telegram)
            elif which in ended:
                assert not lines, (name, telegram)
        assert len(self.world.discord.messages(CHANNEL)) > 0 or not self.firing


async def live(script: Sequence[Happening], *, reasons: bool) -> None:
    night = Night(reasons=reasons)
    ended: set[int] = set()
    for what in script:
        if isinstance(what, End) and what.which in night.firing:
            (ended.add if what.posted else ended.discard)(what.which)
        await night.happen(what)
    await night.end()
    assert all(row.pending == 0 and row.lost == 0 for row in night.world.balance())
    night.check(ended)


SOME = settings(
    max_examples=100,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
)


@pytest.mark.medium
@SOME
@given(happenings, st.booleans())
@example([Fire(0), Fire(1), Regroup(1, "relay"), End(0, posted=True), Fire(0)], True)
@example([Fire(0), Twin(on=True), Repeat(), End(0, posted=True)], False)
async def test_one_firing_line_of_each_alert_whatever_brings_it(
    script: list[Happening],
    reasons: bool,
) -> None:
    await live(script, reasons=reasons)


@pytest.mark.slow
@settings(SOME, max_examples=share(1500))
@given(happenings, st.booleans())
async def test_one_firing_line_of_each_alert_whatever_brings_it_for_long(
    script: list[Happening],
    reasons: bool,
) -> None:
    await live(script, reasons=reasons)
