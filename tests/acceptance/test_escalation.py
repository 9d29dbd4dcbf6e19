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
from relay.core.routing.matcher import parse
from relay.core.text.richtext import RichText
from relay.operate.escalations import escalate
from tests.build import POLICY, T0, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, World, telegram_target

ANNA = Person("Anna", "12")
PLAN = Escalation(
    parse('severity!="none"'),
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
        self.escalated: list[float] = []

    async def until(self, seconds: float) -> None:
        """Lets time pass to so many seconds after the beginning, looking each second."""
        while self.passed < seconds:
            self.passed = min(seconds, self.passed + 1.0)
            await self.run(self.passed)
            if not self.store.acting.clocks_due(T0 + self.passed, 1):
                continue
            done = await self.commit(
                partial(escalate, self.store, self.config.current, T0 + self.passed)
            )
            # a message is accepted some moments behind the second of its payload
            self.escalated += [float(int(self.passed / 2) * 2) for _ in done.escalated]
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
                await self.press(f"p{self.now}", take=True)
            case "released":
                await self.press(f"p{self.now}", take=False)
            case "over":
                await self.post(notification(alert("a", "resolved", ends=self.now)))
            case "gone":
                await self.post(notification(alert("other", severity="none")))
            case "silenced":
                await self.reconciled(Reconciled({"a": Suppressed("silenced", T0 * 2)}, ()))
            case "inhibited":
                await self.reconciled(Reconciled({"a": Suppressed("inhibited")}, ()))
            case "free":
                await self.reconciled(Reconciled({}, ("a",)))
            case "muted" | "unmuted":
                await self.mute(self.now + 1e6 if how == "muted" else 0.0)
            case "another episode":
                await self.post(notification(alert("a", at=self.now)))
            case "higher severity":
                raised = alert("a", at=self.now, severity="critical")
                await self.post(notification(alert("a"), replace(raised, fingerprint="a-critical")))
            case _:
                raise AssertionError(how)

    async def reconciled(self, found: Reconciled) -> None:
        keep = partial(self.store.acting.keep_reconciled, "", found, self.now)
        for lane in await self.commit(keep):
            self.wakes[lane] = self.now

    async def mute(self, until: float) -> None:
        (target,) = self.routing.targets["ops"]
        muted = replace(target, policy=replace(target.policy, muted_until=until))
        await self.reload(replace(self.routing, targets={**self.routing.targets, "ops": (muted,)}))


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


# The seconds of the steps of PLAN, with what each brings where.
MENTION, LEADS, REPEAT, LAST = 600.0, 1500.0, 3300.0, 5100.0
STEPS = {"mention": MENTION, "receiver": LEADS, "repeat": REPEAT, "last line": LAST}
ASKED = PLAN.taken_for
FAR = pytest.mark.medium  # many seconds, one by one
# How long before its effect each event begins: what is no longer listed is held for a while.
STOPS = {"taken": 0.0, "over": 0.0, "gone": 46.0, "silenced": 0.0, "inhibited": 0.0, "muted": 0.0}


@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize(
    "step",
    ["mention", "receiver", *(pytest.param(each, marks=FAR) for each in ("repeat", "last line"))],
)
@pytest.mark.parametrize("is_before", [True, False])
async def test_each_stop_at_the_boundary_second_of_each_step(
    how: str, step: str, *, is_before: bool
) -> None:
    """Two seconds before the step it does not come; behind it, nothing comes any more."""
    world = await begin()
    at = STEPS[step]
    await world.until(at - 2.0 - STOPS[how] if is_before else at + 2.0)
    await world.stop(how)
    await world.until(at - 2.0 if is_before else at + 2.0 + STOPS[how])
    before = world.escalated
    await world.until(at + 2000.0)
    assert world.escalated == before
    assert before == [each for each in STEPS.values() if each < at + (0.0 if is_before else 1.0)]


@FAR
@pytest.mark.parametrize("how", ["over", "gone", "silenced", "inhibited", "muted", "released"])
@pytest.mark.parametrize("is_before", [True, False])
async def test_each_stop_at_the_second_in_which_a_take_is_asked_again(
    how: str, *, is_before: bool
) -> None:
    world = await begin()
    await world.until(100.0)
    await world.press("p1", take=True)
    lead = STOPS.get(how, 0.0)
    await world.until(100.0 + ASKED - 2.0 - lead if is_before else 100.0 + ASKED + 2.0)
    await world.stop(how)
    await world.until(100.0 + ASKED + 400.0)
    assert [ring for ring in world.rings() if "still yours" in ring] == [] or not is_before
    assert len(world.escalated) == (0 if is_before else 1)


# What re-arms it: the stop before it, when that comes, and when it ends.
REARMS = {
    "released": ("taken", 700.0, 1000.0),
    "free": ("silenced", 700.0, 1000.0),
    "unmuted": ("muted", 1400.0, 1700.0),  # over the time of a step
    "another episode": ("over", 700.0, 700.0 + POLICY.lifecycle.reopen_window + 2.0),
    "higher severity": ("taken", 700.0, 1000.0),
}


@pytest.mark.parametrize("how", REARMS)
async def test_what_re_arms_it_counts_from_that_second(how: str) -> None:
    stop, at, again = REARMS[how]
    world = await begin()
    await world.until(at)
    assert world.escalated == [600.0]
    await world.stop(stop)
    await world.until(again)
    await world.stop(how)
    await world.until(again + MENTION - 5.0)
    assert world.escalated == [600.0]
    await world.until(again + MENTION + 35.0)  # a mute that ends is seen within half a minute
    assert len(world.escalated) == 2


async def test_a_flap_goes_on_with_the_clock_and_with_the_take() -> None:
    world = await begin()
    await world.until(500.0)
    await world.stop("over")
    await world.until(550.0)
    await world.stop("another episode")
    await world.until(620.0)
    assert world.escalated == [600.0]
    await world.stop("taken")
    await world.until(700.0)
    await world.stop("over")
    await world.until(900.0)
    await world.stop("another episode")
    await world.until(3000.0)
    assert world.escalated == [600.0]


async def test_a_step_that_is_removed_does_not_come_and_a_new_one_counts_from_the_start() -> None:
    world = await begin()
    await world.until(700.0)
    one = Escalation((), (EscalationStep(900.0, mention=(Named(ANNA),)),))
    acting = replace(world.config.current.acting, escalations={"ops": one})
    world.config.load(replace(world.config.current, acting=acting))
    await world.commit(world.store.acting.look_again)
    await world.until(3000.0)
    assert world.escalated == [600.0, 900.0]


async def test_a_kill_between_a_step_and_its_message_loses_and_doubles_no_ring() -> None:
    world = await begin()
    await world.until(599.0)
    world.passed = 601.0
    await world.run(600.9)
    done = await world.commit(partial(escalate, world.store, world.config.current, T0 + 601.0))
    assert done.escalated == ("ops",)
    world.dying = True
    for lane in done.lanes:
        world.wakes[lane] = world.now
        with pytest.raises(KeyboardInterrupt):
            await world.run(601.0)
    await world.restart()
    await world.until(700.0)
    assert len(world.rings()) == 1


async def test_what_a_chat_cannot_be_told_its_fallback_is() -> None:
    world = Timetable()
    ops, leads = world.routing.targets["ops"][0], world.routing.targets["leads"][0]
    falling = replace(ops, policy=replace(ops.policy, fallback="leads"))
    routing = replace(world.routing, targets={"ops": (falling,), "leads": (leads,)})
    await world.reload(routing)
    await world.post(notification(alert("a")))
    await world.until(1.0)
    world.telegram.kick(CHAT)
    await world.post(notification(alert("a"), alert("b")))
    await world.until(599.0)
    assert "b" in world.telegram.messages(SPARE_CHAT)[0].text
    assert world.rings(SPARE_CHAT) == []
    await world.until(605.0)
    assert len(world.rings(SPARE_CHAT)) == 1
