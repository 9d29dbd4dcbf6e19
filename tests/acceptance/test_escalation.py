"""Escalation as a timetable on the fake clock: each step at its second, and none after a stop."""

from functools import partial
from itertools import pairwise

import pytest
from msgspec.structs import replace

from relay.core.action.press import Press, PressAnswer, PressEffects
from relay.core.action.pressed import OldData
from relay.core.action.reconcile import Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    Escalation,
    EscalationStep,
    Named,
    Person,
)
from relay.core.action.take import Holder, Taken
from relay.core.text.richtext import RichText
from relay.operate.escalations import escalate
from tests.build import POLICY, T0, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, World, telegram_target

ANNA = Person("Anna", "12")
PLAN = Escalation(
    (),
    (EscalationStep(600.0, mention=(Named(ANNA),)), EscalationStep(1500.0, receiver="leads")),
    every=1800.0,
    times=1,
    taken_for=7200.0,
)


class Timetable(World):
    """A group that escalates to another one."""

    def __init__(self) -> None:
        leads = telegram_target(SPARE, replace(POLICY, receiver="leads"))
        super().__init__(telegram_target(), leads)
        acting = ActingConfig((ANNA,), ActionConfig(()), escalations={"ops": PLAN})
        self.config.load(replace(self.config.current, acting=acting))
        self.passed = 0.0

    async def until(self, seconds: float) -> None:
        """Lets time pass to so many seconds after the beginning, looking each second."""
        while self.passed < seconds:
            self.passed = min(seconds, self.passed + 1.0)
            await self.run(self.passed)
            done = await self.commit(
                partial(escalate, self.store, self.config.current, T0 + self.passed)
            )
            for lane in done.lanes:
                self.wakes[lane] = self.now
        await self.run(seconds + 0.5)

    def rings(self, chat: int = CHAT) -> list[str]:
        return [m.text for m in self.telegram.messages(chat) if "📣" in m.text]

    async def press(self, key: str, *, take: bool) -> None:
        holder = Holder("Anna", "Anna")
        taken = Taken("", "a", T0, holder, self.now)
        effects = PressEffects(
            PressAnswer(RichText("")), "done", "take" if take else "release", ("a",),
            (taken,) if take else (), () if take else ("a",),
        )  # fmt: skip
        press = Press(key, Presser("telegram", "12"), "", "", OldData(), self.now)
        job = partial(self.store.acting.take_press, press, effects, self.now)
        for lane in await self.commit(job):
            self.wakes[lane] = self.now

    async def stop(self, how: str) -> None:
        match how:
            case "taken":
                await self.press("p1", take=True)
            case "over":
                await self.post(notification(alert("a", "resolved", ends=self.now)))
            case "silenced":
                found = Reconciled({"a": Suppressed("silenced", T0 * 2)}, ())
                await self.commit(partial(self.store.acting.keep_reconciled, "", found, self.now))
            case _:
                raise AssertionError(how)


async def begin() -> Timetable:
    world = Timetable()
    await world.post(notification(alert("a")))
    await world.until(1.0)
    return world


async def test_each_step_comes_at_its_second_then_the_repeat_then_one_line() -> None:
    world = await begin()
    await world.until(599.0)
    assert world.rings() == []
    await world.until(601.0)
    assert len(world.rings()) == 1
    assert "nobody has taken it for 10" in world.rings()[0]
    assert world.telegram.messages(SPARE_CHAT) == []
    await world.until(1499.0)
    assert world.telegram.messages(SPARE_CHAT) == []
    await world.until(1501.0)
    (there,) = world.telegram.messages(SPARE_CHAT)
    assert "nobody in ops took it for 25" in there.text
    await world.until(1500.0 + 2 * 1800.0 + 5)
    assert [ring for ring in world.rings() if "1 reminder" in ring]
    assert len(world.rings()) == 2


@pytest.mark.parametrize("how", ["taken", "over", "silenced"])
@pytest.mark.parametrize(("at", "rings"), [(598.0, 0), (602.0, 1)])
async def test_a_stop_at_the_boundary_second_decides(how: str, at: float, rings: int) -> None:
    world = await begin()
    await world.until(at)
    await world.stop(how)
    await world.until(1600.0)
    assert len(world.rings()) == rings
    assert world.telegram.messages(SPARE_CHAT) == []


async def test_a_release_begins_anew_and_a_long_take_is_asked_once() -> None:
    world = await begin()
    await world.until(500.0)
    await world.press("p1", take=True)
    await world.until(1000.0)
    await world.press("p2", take=False)
    await world.until(1599.0)
    assert world.rings() == []
    await world.until(1601.0)
    assert len(world.rings()) == 1
    await world.press("p3", take=True)
    await world.until(1601.0 + 7199.0)
    assert len(world.rings()) == 1
    await world.until(1601.0 + 7205.0)
    assert "still yours, Anna?" in world.rings()[1]
    await world.press("p4", take=True)
    await world.until(1601.0 + 7205.0 + 3000.0)
    assert len(world.rings()) == 2


async def test_a_storm_that_nobody_takes_is_one_line_a_minute_of_ten_groups() -> None:
    world = Timetable()
    for number in range(15):
        name = f"Disk{number}"
        group = replace(notification().group, group_key=f"{{}}:{name}")
        await world.post(notification(alert("a", name=name), group=group))
    await world.until(300.0)
    await world.until(1000.0)
    shown = [m for m in world.telegram.messages(CHAT) if "📣" in m.text]
    # the card that the chat accepted first is due alone, ten a minute later, and the rest
    assert [m.text.count("Disk") for m in shown] == [1, 10, 4]
    times = [m.sent_at for m in shown]
    assert all(after - before >= 59.0 for before, after in pairwise(times))
