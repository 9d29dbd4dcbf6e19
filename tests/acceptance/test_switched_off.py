"""What acting has put on open cards goes when the configuration no longer has it: by one edit, and
without sound.
"""

from functools import partial

import pytest
from msgspec.structs import replace

from relay.core.action.heartbeat import Beat
from relay.core.action.press import Press, PressAnswer, PressEffects
from relay.core.action.pressed import OldData
from relay.core.action.reconcile import Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    AlertmanagerConfig,
    Escalation,
    EscalationStep,
    HeartbeatConfig,
)
from relay.core.action.take import Holder, Taken
from relay.core.routing.matcher import parse
from relay.core.text.richtext import RichText
from relay.operate.escalations import escalate
from tests.build import POLICY, T0, alert, notification
from tests.world import CHAT, SPARE, SPARE_CHAT, World, telegram_target

ALL = ActingConfig(
    (),
    ActionConfig(()),
    {"": AlertmanagerConfig("", ("http://127.0.0.1:1",))},
    {"ops": Escalation((), (EscalationStep(600.0, receiver="leads"),))},
    (HeartbeatConfig("eu", parse('alertname="Watchdog"')),),
)
# What is taken away, and what goes with it from the cards of the group and of the leads.
PARTS: dict[str, tuple[ActingConfig, str]] = {
    "actions": (replace(ALL, actions=None), "✋"),
    "alertmanagers": (replace(ALL, alertmanagers={}), "🔕"),
    "escalate": (replace(ALL, escalations={}), "nobody in ops took it"),
    "heartbeats": (replace(ALL, heartbeats=()), "no news from eu"),
    "all": (ActingConfig(), ""),
}
WORDS = [words for _, words in PARTS.values() if words]


async def lived() -> World:
    """Both chats show the alert `a`, which went to the leads untaken. In the group it is silenced
    by now, `b` is taken, and nothing is heard from Prometheus.
    """
    leads = telegram_target(SPARE, replace(POLICY, receiver="leads"))
    world = World(telegram_target(), leads)
    world.config.load(replace(world.config.current, acting=ALL))
    beat = Beat("eu", (), T0, lost_at=T0 + 300.0)
    await world.commit(partial(world.store.acting.keep_beat, beat))
    await world.post(notification(alert("a"), alert("b")))
    await world.run(10.0)
    await world.run(601.0)
    done = await world.commit(partial(escalate, world.store, world.config.current, world.now))
    wake(world, done.lanes)
    await world.run(610.0)
    taken = Taken("", "b", T0, Holder("Anna", "Anna"), world.now)
    effects = PressEffects(PressAnswer(RichText("")), "done", "take", ("b",), (taken,))
    press = Press("p", Presser("telegram", "12"), "", "", OldData(), world.now)
    wake(world, await world.commit(partial(world.store.acting.take_press, press, effects, T0)))
    found = Reconciled({"a": Suppressed("silenced", T0 * 2, "Ben", "deploy")}, ())
    keep = partial(world.store.acting.keep_reconciled, "", found, world.now)
    wake(world, await world.commit(keep))
    await world.run(620.0)
    return world


def wake(world: World, lanes: object) -> None:
    assert isinstance(lanes, tuple)
    for lane in lanes:
        world.wakes[lane] = world.now


def shown(world: World) -> str:
    return "\n".join(world.telegram.transcript(chat) for chat in (CHAT, SPARE_CHAT))


async def test_all_of_it_stands_on_the_cards() -> None:
    world = await lived()
    assert [words for words in WORDS if words not in shown(world)] == ["nobody in ops took it"]
    # what is taken is no longer said to be untaken
    assert world.telegram.messages(CHAT)[0].shown.markup is not None


@pytest.mark.parametrize("part", PARTS)
async def test_what_the_configuration_no_longer_has_goes_by_one_edit_without_sound(
    part: str,
) -> None:
    world = await lived()
    config, gone = PARTS[part]
    before = {chat: world.telegram.messages(chat) for chat in (CHAT, SPARE_CHAT)}
    edits = {chat: [len(m.versions) for m in found] for chat, found in before.items()}
    stood = [words for words in WORDS if words in shown(world)]
    world.config.load(replace(world.config.current, acting=config))
    wake(world, await world.commit(world.store.acting.look_again))
    await world.run(700.0)
    for words in stood:
        assert (words in shown(world)) == (part != "all" and words != gone), words
    for chat, found in before.items():
        now = world.telegram.messages(chat)
        assert [m.id for m in now] == [m.id for m in found], "no new message"
        more = [len(m.versions) - was for m, was in zip(now, edits[chat], strict=True)]
        assert max(more) <= 1
    has_buttons = bool(world.telegram.messages(CHAT)[0].shown.markup)
    assert has_buttons == (part not in ("actions", "all"))
    calls = len(world.telegram.calls)
    wake(world, await world.commit(world.store.acting.look_again))
    await world.run(800.0)
    assert len(world.telegram.calls) == calls, "once"


async def test_a_card_that_came_untaken_says_so_no_more() -> None:
    world = await lived()
    assert "nobody in ops took it" not in shown(world)
    effects = PressEffects(PressAnswer(RichText("")), "done", "release", ("b",), released=("b",))
    press = Press("p2", Presser("telegram", "12"), "", "", OldData(), world.now)
    job = partial(world.store.acting.take_press, press, effects, world.now)
    wake(world, await world.commit(job))
    await world.run(630.0)
    assert "nobody in ops took it" in shown(world)
    world.config.load(replace(world.config.current, acting=PARTS["escalate"][0]))
    wake(world, await world.commit(world.store.acting.look_again))
    await world.run(700.0)
    assert "nobody in ops took it" not in shown(world)
    assert len(world.telegram.messages(SPARE_CHAT)) == 1
