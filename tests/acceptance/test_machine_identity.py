"""Whatever groups and receivers of Alertmanager bring an alert, a chat has one firing line of it,
and that is true.
"""

import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, GroupId
from tests.build import POLICY, T0, alert, notification
from tests.need import share
from tests.world import CHANNEL, CHAT, World, discord_target, telegram_target

NAMES = ("n1", "n2", "n3", "n4")
# How Alertmanager groups the four: the number of the group of each.
GROUPINGS = ((0, 0, 0, 0), (0, 1, 2, 3), (0, 0, 1, 1), (0, 1, 1, 0))
STORM = 12  # groups, all critical: more than the chat takes in ten seconds
# Seconds after which the chats are true: a hold, or what a first notification proves nothing for.
HELD, UNPROVEN = POLICY.late_hold + 20.0, 330.0
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


class Rise(Struct, frozen=True):
    """An alert that fires becomes critical as well; the warning may be inhibited by that."""

    which: int
    inhibits: bool


class Fall(Struct, frozen=True):
    """It is a warning again."""

    which: int


class Storm(Struct, frozen=True):
    """Many groups begin to fire, or are over, all of them critical."""

    begins: bool


class Regroup(Struct, frozen=True):
    """`group_by`, matchers or the name of the receiver are edited: other groups go on, which may be
    formed by the severity too.
    """

    grouping: int
    receiver: str
    by_severity: bool


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


Happening = Fire | End | Rise | Fall | Storm | Regroup | Twin | Repeat | Forget | Pass
whiches = st.integers(0, 3)
receivers = st.sampled_from(("relay", "renamed"))
happenings = st.lists(
    st.one_of(
        st.builds(Fire, whiches),
        st.builds(End, whiches, st.booleans()),
        st.builds(Rise, whiches, st.booleans()),
        st.builds(Fall, whiches),
        st.builds(Storm, st.booleans()),
        st.builds(Regroup, st.integers(0, 3), receivers, st.booleans()),
        st.builds(Twin, st.booleans()),
        st.builds(Repeat),
        st.builds(Forget, st.tuples(*[st.booleans()] * 4)),
        st.builds(Pass, st.sampled_from((0.0, 3.0, 30.0, 200.0, 400.0, 4000.0))),
    ),
    max_size=16,
)
_Burning = tuple[str, str]  # name and severity


class Night:
    """An Alertmanager and what the chats show of it."""

    def __init__(self, *, reasons: bool, by_severity: bool) -> None:
        self.world = World(telegram_target(), discord_target())
        self.firing: dict[_Burning, float] = {}
        self.inhibited: set[str] = set()
        self.ended: set[str] = set()  # what is over and whose end was posted
        self.grouping, self.receiver, self.twin = GROUPINGS[0], "relay", False
        self.by_severity = by_severity
        self.reasons = reasons
        self.true_at = 0.0

    async def happen(self, what: Happening) -> None:
        match what:
            case Fire(which):
                # A start after the last report by a minute and more is a new episode.
                await self._pass(130.0)
                self.firing.setdefault((NAMES[which], "warning"), self.world.now)
                self.ended.discard(NAMES[which])
                await self._post_of([NAMES[which]], NEW)
            case End(which, posted):
                await self._end([NAMES[which]], posted=posted)
            case Rise(which, inhibits) if (NAMES[which], "warning") in self.firing:
                self.firing.setdefault((NAMES[which], "critical"), self.world.now)
                await self._post_of([NAMES[which]], NEW)
                if inhibits:
                    self.inhibited.add(NAMES[which])
                    await self._pass(5.0)
                    await self._post_of([NAMES[which]], SOME_OVER)
            case Fall(which) if (NAMES[which], "critical") in self.firing:
                began = self.firing.pop((NAMES[which], "critical"))
                self.inhibited.discard(NAMES[which])
                over = self._alert((NAMES[which], "critical"), began, over=True)
                await self._post_of([NAMES[which]], SOME_OVER, [over])
            case Storm(True):
                await self._pass(130.0)
                names = [f"s{number}" for number in range(STORM)]
                self.firing |= {
                    (name, "critical"): self.world.now
                    for name in names
                    if (name, "critical") not in self.firing
                }
                self.ended -= set(names)
                await self._post_of(names, NEW)
            case Storm(False):
                await self._end(sorted(name for name, _ in self.firing if name[0] == "s"))
            case Regroup(grouping, receiver, by_severity):
                self.grouping, self.receiver = GROUPINGS[grouping], receiver
                self.by_severity = by_severity
                await self._post_all(FIRST)
            case Twin(on):
                self.twin = on
                await self._post_all(FIRST)
            case Repeat():
                await self._post_all(REPEAT)
            case Forget(known):
                told = {name for name, is_known in zip(NAMES, known, strict=True) if is_known}
                all_of_them = dict(self.firing)
                self.firing = {each: at for each, at in all_of_them.items() if each[0] in told}
                await self._post_all(FIRST)
                await self._pass(120.0)
                self.firing = all_of_them
                await self._post_all(NEW)
            case Pass(seconds):
                await self._pass(seconds)
                if self.world.now >= self.true_at:
                    self.check()
            case _:
                pass

    async def _end(self, names: Sequence[str], *, posted: bool = True) -> None:
        over = [(each, self.firing.pop(each)) for each in sorted(self.firing) if each[0] in names]
        self.inhibited -= set(names)
        if not over:
            return
        (self.ended.update if posted else self.ended.difference_update)(names)
        told = [self._alert(each, began, over=True) for each, began in over]
        groups = {self._group(each) for each, _ in over}
        await self._post(groups, SOME_OVER, told if posted else [])

    async def _pass(self, seconds: float) -> None:
        await self.world.run(until=self.world.now - T0 + seconds)

    def _alert(self, each: _Burning, began: float, *, over: bool = False) -> Alert:
        name, severity = each
        made = alert(name, at=began, name="Group0", severity=severity)
        made = replace(made, fingerprint=f"{severity}/{name}")
        return replace(made, status="resolved", ends_at=self.world.now) if over else made

    def _group(self, each: _Burning) -> str:
        """The group of an alert: those of a storm are groups of their own."""
        name, severity = each
        place = name if name[0] == "s" else f"{self.grouping},{self.grouping[NAMES.index(name)]}"
        return f"{place},{severity}" if self.by_severity else place

    async def _post_of(self, names: Iterable[str], reason: str, over: Sequence[Alert] = ()) -> None:
        severities = ("warning", "critical")
        await self._post(
            {self._group((name, severity)) for name in names for severity in severities},
            reason,
            over,
        )

    async def _post_all(self, reason: str) -> None:
        await self._post({self._group(each) for each in self.firing}, reason)

    async def _post(self, groups: set[str], reason: str, over: Sequence[Alert] = ()) -> None:
        for receiver in (self.receiver, "twin")[: 1 + self.twin]:
            for group in sorted(groups):
                fires = [
                    self._alert(each, at)
                    for each, at in sorted(self.firing.items())
                    if self._group(each) == group
                    and not (each[1] == "warning" and each[0] in self.inhibited)
                ]
                ends = [
                    each
                    for each in over
                    if self._group((each.labels["instance"], each.severity)) == group
                ]
                if not fires and not ends:
                    continue
                self.world.now += 0.05
                told = reason if self.reasons else ""
                key = GroupId("", receiver, f"{{}}:{{{group}}}")
                await self.world.post(notification(*fires, *ends, group=key, reason=told))
        wait = UNPROVEN if reason == FIRST and self.reasons else HELD
        self.true_at = max(self.true_at, self.world.now + wait)

    async def end(self) -> None:
        """Every group is posted once more, and ten minutes pass."""
        await self._pass(60.0)
        await self._post_all(REPEAT)
        await self._pass(600.0)

    def check(self) -> None:
        """One firing line of each thing that fires, beside a digest that may count it, and none of
        what ended.
        """
        telegram = [m.text for m in self.world.telegram.messages(CHAT)]
        digest = any(text.startswith(("🌊", "➕")) and "groups" in text for text in telegram)
        fires = {name for name, _ in self.firing}
        for name in {*fires, *self.ended}:
            lines = [text for text in telegram if _fires(text, name)]
            if name in fires:
                assert len(lines) == 1 or (digest and not lines), (name, lines, telegram)
            else:
                assert not lines, (name, lines, telegram)
        assert len(self.world.discord.messages(CHANNEL)) > 0 or not self.firing


def _fires(text: str, name: str) -> bool:
    """A card says that it fires, in its head or in a line."""
    if text[0] not in "🔴🟠" or "now critical" in text or "firing again" in text:
        return False
    return any(
        line[:1] in "•🔴🟠" and re.search(rf"(?<![\w-]){name}(?!\w)", line)
        for line in text.split("\n")
        if line
    )


async def live(script: Sequence[Happening], *, reasons: bool, by_severity: bool) -> None:
    night = Night(reasons=reasons, by_severity=by_severity)
    for what in script:
        await night.happen(what)
    await night.end()
    assert all(row.pending == 0 and row.lost == 0 for row in night.world.balance())
    night.check()


SOME = settings(
    max_examples=100,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
)


@pytest.mark.medium
@SOME
@given(happenings, st.booleans(), st.booleans())
@example(
    [Fire(0), Fire(1), Regroup(1, "relay", by_severity=False), End(0, posted=True), Fire(0)],
    True,
    False,
)
@example([Fire(0), Twin(on=True), Repeat(), End(0, posted=True)], False, False)
@example([Fire(0), Rise(0, inhibits=True), Pass(400.0), Fall(0), Pass(200.0)], True, True)
@example([Fire(0), Rise(0, inhibits=False), Pass(400.0)], False, True)
# It rises and is over before its reply was sent, while another one fires.
@example([Fire(0), Fire(1), Rise(0, inhibits=False), End(0, posted=True)], False, False)
@example([Fire(0), Storm(begins=True), Pass(400.0), Storm(begins=False), Pass(4000.0)], True, False)
async def test_one_firing_line_of_each_alert_whatever_brings_it(
    script: list[Happening],
    reasons: bool,
    by_severity: bool,
) -> None:
    await live(script, reasons=reasons, by_severity=by_severity)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(SOME, max_examples=share(1500))
@given(happenings, st.booleans(), st.booleans())
async def test_one_firing_line_of_each_alert_whatever_brings_it_for_long(
    script: list[Happening],
    reasons: bool,
    by_severity: bool,
) -> None:
    await live(script, reasons=reasons, by_severity=by_severity)
