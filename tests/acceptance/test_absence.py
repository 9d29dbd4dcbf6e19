"""Alerts that left a list, as cards show them by what Alertmanager answers, on the fake clock."""

from functools import partial

import pytest
from msgspec.structs import replace

from relay.core.action.reconcile import APART, Presence, PresenceState, Reconciled, Suppressed
from relay.core.action.settings import ActingConfig, AlertmanagerConfig
from tests.build import T0, alert, notification
from tests.world import CHAT, World

ACTING = ActingConfig(alertmanagers={"": AlertmanagerConfig("", ("http://127.0.0.1:1",))})
HOLD = 45.0


class Reconciling(World):
    """A group whose card shows the alerts `a` and `b`, beside an Alertmanager that is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.config.load(replace(self.config.current, acting=ACTING))

    async def at(self, seconds: float, *listed: str, severity: str = "warning") -> None:
        """A payload lists these alerts."""
        await self.run(seconds)
        await self.post(notification(*(alert(each, severity=severity) for each in listed)))
        await self.run(seconds + 0.1)

    async def learns(self, found: Reconciled) -> None:
        keep = partial(self.store.acting.keep_reconciled, "", found, self.now)
        for lane in await self.commit(keep):
            self.wakes[lane] = self.now

    async def answers(self, state: PresenceState, since: float) -> None:
        """Alertmanager said that of `b`."""
        presence = Presence(state, T0 + since)
        await self.learns(Reconciled({}, (), presences={"b": presence}))

    @property
    def card(self) -> str:
        return self.telegram.messages(CHAT)[0].text

    @property
    def asked(self) -> dict[str, str]:
        found = self.store.acting.asked_for("")
        return {key: each.presence.state for key, each in found.items()}


async def began() -> Reconciling:
    world = Reconciling()
    await world.at(0.0, "a", "b")
    await world.at(100.0, "a")
    return world


async def test_what_a_payload_no_longer_lists_is_to_be_asked_for_with_its_labels() -> None:
    world = await began()
    assert world.asked == {"b": "left"}
    (asked,) = world.store.acting.asked_for("").values()
    assert asked.labels["instance"] == "b"
    await world.at(110.0, "a", "b")
    assert world.asked == {}


async def test_without_an_answer_the_hold_decides() -> None:
    world = await began()
    await world.run(100.0 + HOLD - 1)
    assert "no longer reported" not in world.card
    await world.run(100.0 + HOLD + 3)
    assert "no longer reported" in world.card


async def test_what_alertmanager_has_goes_on_firing_however_long() -> None:
    world = await began()
    await world.answers("present", 100.5)
    await world.run(4000.0)
    assert "no longer reported" not in world.card
    assert "×2" in world.card


async def test_a_second_absence_ends_the_alert_and_the_first_does_not() -> None:
    world = await began()
    await world.answers("absent", 100.5)
    await world.run(100.5 + APART)
    assert "no longer reported" not in world.card
    await world.answers("gone", 100.5)
    await world.run(100.5 + APART + 3)
    assert "no longer reported" in world.card
    assert world.asked == {}


async def test_after_one_absence_and_no_more_answers_it_takes_five_minutes() -> None:
    world = await began()
    await world.answers("absent", 100.5)
    await world.run(399.0)
    assert "no longer reported" not in world.card
    await world.run(403.0)
    assert "no longer reported" in world.card


async def test_an_alert_that_ended_while_it_was_silenced_is_gone() -> None:
    """Alertmanager posts nothing of it: no payload says that it is over."""
    world = Reconciling()
    await world.at(0.0, "a", "b")
    await world.learns(Reconciled({"b": Suppressed("silenced", T0 * 2, "Ben")}, ()))
    await world.run(500.0)
    await world.learns(Reconciled({}, ("b",), presences={"b": Presence("absent", T0 + 500.0)}))
    await world.run(500.0 + APART)
    assert "no longer reported" not in world.card
    await world.answers("gone", 500.0)
    await world.run(503.0 + APART)
    assert "no longer reported" in world.card


@pytest.mark.parametrize("state", ["present", "absent", "gone"])
async def test_an_answer_from_before_a_payload_that_lists_it_counts_no_more(
    state: PresenceState,
) -> None:
    world = await began()
    await world.at(130.0, "a", "b")
    await world.answers(state, 100.5)
    await world.run(1000.0)
    assert "no longer reported" not in world.card
    assert "×2" in world.card


async def test_a_payload_of_a_slow_chat_takes_nothing_back_that_was_learnt_since() -> None:
    world = await began()
    await world.answers("present", 130.0)
    keep = partial(world.store.acting.keep_listed, "", ["b"], [], T0 + 120.0)
    await world.commit(keep)
    await world.commit(partial(world.store.acting.keep_listed, "", [], ["b"], T0 + 120.0))
    assert world.asked == {"b": "present"}


async def test_where_no_alertmanager_is_configured_nothing_is_to_be_asked() -> None:
    world = Reconciling()
    world.config.load(replace(world.config.current, acting=ActingConfig()))
    await world.at(0.0, "a", "b")
    await world.at(100.0, "a")
    assert world.asked == {}


BY_BEN = Suppressed("silenced", T0 + 500.0, "Ben", "deploy", "s1")


@pytest.mark.parametrize(
    ("severity", "at", "state", "rings"),
    [
        ("critical", 501.0, "present", True),
        ("critical", 501.0, "left", True),  # nobody says that it is over
        ("critical", 501.0, "absent", False),
        ("critical", 300.0, "present", False),  # somebody ended it, and knows
        ("warning", 501.0, "present", False),  # the edit tells
    ],
)
async def test_a_silence_that_comes_to_its_end_while_an_urgent_alert_fires_rings_once(
    severity: str, at: float, state: PresenceState, *, rings: bool
) -> None:
    world = Reconciling()
    await world.at(0.0, "a", severity=severity)
    await world.learns(Reconciled({"a": BY_BEN}, ()))
    await world.run(at - 1)
    assert "🔕 until" in world.card
    await world.run(at)
    await world.learns(Reconciled({}, ("a",), presences={"a": Presence(state, T0 + at)}))
    await world.run(at + 30.0)
    assert "🔕" not in world.card
    replies = [m for m in world.telegram.messages(CHAT)[1:] if "the silence is over" in m.text]
    assert len(replies) == rings
    for reply in replies:
        assert (reply.text[:1], reply.silent) == ("🔔", False)
        assert "critical Disk · a · the silence is over, still firing" in reply.text
