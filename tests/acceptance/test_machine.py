"""Anything may happen in any order: the promises hold after each run (DESIGN.md section 5)."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, GroupId, Notification
from relay.core.routing.route import Route, Routing
from relay.sandbox.discord_chats import Version
from relay.sandbox.faults import FaultKind, PlatformName, Refusal
from tests.build import POLICY, T0, alert, notification
from tests.need import share
from tests.world import (
    CHANNEL,
    CHAT,
    HOOK,
    SPARE,
    SPARE_CHAT,
    World,
    discord_target,
    telegram_target,
)

NAMES = ("n1", "n2", "n3")
HOLD = POLICY.late_hold
# In a line of a list, or in the head of a card; a reply is one line that says so.
FIRING = re.compile(
    r"(?:^• |^(?!➕|🔁|🟢|⚪)(?!.*firing again).*Group\d(?: ×\d+)?(?:\*\*)? · )`?(n\d)`?"
    r"(?= · (?!resolved|no longer)|$)",
    re.MULTILINE,
)


class Post(Struct, frozen=True):
    """Alertmanager posts a group, large enough to be taken in parts: each alert fires, is over, or
    is left out.
    """

    group: int
    states: tuple[str, ...]
    reason: str = ""
    parts: int = 1


class Again(Struct, frozen=True):
    """A payload of before comes once more: a peer's copy, a retry, or a late snapshot."""

    which: int


class Fail(Struct, frozen=True):
    """The platforms fail for a while."""

    kind: FaultKind
    seconds: float


class Crash(Struct, frozen=True):
    """The process dies in its next call, or at once, and starts again."""

    in_call: bool


class Pass(Struct, frozen=True):
    """Time goes by."""

    seconds: float


class Kick(Struct, frozen=True):
    """The bot is kicked from its group for a while; another group stands in."""

    seconds: float


class Delete(Struct, frozen=True):
    """Somebody deletes a message, counted from the newest."""

    telegram: bool
    which: int


class Purge(Struct, frozen=True):
    """What ended so long ago is forgotten."""

    age: float


class Reload(Struct, frozen=True):
    """The channel is taken out of the configuration, or put back."""

    channel: bool


Happening = Post | Again | Fail | Crash | Pass | Kick | Delete | Purge | Reload
REASONS = (
    "",
    "first notification",
    "new alerts added",
    "some alerts resolved",
    "repeat interval elapsed",
)
FAULTS: tuple[FaultKind, ...] = (
    "500",
    "502",
    "429",
    "cut before",
    "cut after",
    "not json",
    "ok false",
)
happenings = st.lists(
    st.one_of(
        st.builds(
            Post,
            st.integers(0, 2),
            st.tuples(*[st.sampled_from(("firing", "firing", "resolved", "absent"))] * len(NAMES)),
            st.sampled_from(REASONS),
            st.integers(1, 2),
        ),
        st.builds(Again, st.integers(0, 3)),
        st.builds(Fail, st.sampled_from(FAULTS), st.sampled_from((1.0, 30.0, 400.0))),
        st.builds(Crash, st.booleans()),
        st.builds(Pass, st.sampled_from((0.0, 0.5, 3.0, 20.0, 50.0, 130.0, 2000.0, 40_000.0))),
        st.builds(Kick, st.sampled_from((1.0, 200.0, 1000.0))),
        st.builds(Delete, st.booleans(), st.integers(0, 2)),
        st.builds(Purge, st.sampled_from((0.0, 100.0, 5000.0))),
        st.builds(Reload, st.booleans()),
    ),
    max_size=25,
)


GROUP, SPARE_GROUP = (
    telegram_target(policy=replace(POLICY, fallback="spare")),
    telegram_target(SPARE, replace(POLICY, receiver="spare")),
)
TARGETS = (GROUP, discord_target(), SPARE_GROUP)
PLACES: tuple[tuple[PlatformName, int], ...] = (
    ("telegram", CHAT),
    ("telegram", SPARE_CHAT),
    ("discord", HOOK),
)
KICKED = Refusal(403, "Forbidden: bot was kicked from the supergroup chat")


def routing(*, channel: bool) -> Routing:
    """Every alert goes to the group and, where it is configured, to the channel; the spare group is
    a fallback.
    """
    chats = TARGETS[: 2 if channel else 1]
    return Routing(Route("ops"), {"ops": chats, "spare": (SPARE_GROUP,)})


class Said(NamedTuple):
    """A message: whether it stands, and what it said when."""

    stands: bool
    texts: list[tuple[float, str]]


class Night:
    """A world, what was posted into it, and what is known of each episode."""

    def __init__(self) -> None:
        self.world = World(*TARGETS, routing=routing(channel=True))
        self.posted: list[Notification] = []
        self.since: dict[tuple[int, str], float] = {}
        self.told: list[tuple[float, int, Alert]] = []
        self.last: dict[int, tuple[float, Notification]] = {}
        self.was_reloaded = self.may_be_repeated = False

    async def happen(self, what: Happening) -> None:
        world = self.world
        match what:
            case Post(group, states, reason, parts):
                await self._post(self._made(group, states, reason), parts)
            case Again(which) if self.posted:
                await self._post(self.posted[-1 - which % len(self.posted)])
            case Fail(kind, seconds):
                self.may_be_repeated = self.may_be_repeated or kind == "cut after"
                for platform, place in PLACES:
                    world.faults.add(
                        platform,
                        str(place),
                        kind,
                        since=world.now,
                        until=world.now + seconds,
                        seconds=3,
                    )
            case Crash(in_call):
                world.dying = in_call
                with suppress(KeyboardInterrupt):
                    await world.run(until=world.now - T0 + 1)
                await world.restart()
            case Pass(seconds):
                await world.run(until=world.now - T0 + seconds)
            case Kick(seconds):
                until = world.now + seconds
                world.faults.add(
                    "telegram", str(CHAT), "refused", since=world.now, until=until, refusal=KICKED
                )
            case Delete(telegram, which):
                chat = world.telegram.chats[CHAT] if telegram else world.discord.channels[CHANNEL]
                standing = chat.shows()
                if standing:
                    standing[-1 - which % len(standing)].deleted_at = world.now
            case Purge(age):
                await world.commit(partial(world.store.purge, world.now - age, 1 << 40, 1000))
            case Reload(channel):
                self.was_reloaded = self.was_reloaded or not channel
                await world.reload(routing(channel=channel))
            case _:
                pass

    def _made(self, group: int, states: Sequence[str], reason: str) -> Notification:
        alerts: list[Alert] = []
        for name, state in zip(NAMES, states, strict=True):
            key = (group, name)
            if state == "firing":
                self.since.setdefault(key, self.world.now)
                alerts.append(alert(name, at=self.since[key], name=f"Group{group}"))
            elif state == "resolved" and key in self.since:
                began = self.since.pop(key)
                alerts.append(
                    alert(name, "resolved", at=began, ends=self.world.now, name=f"Group{group}")
                )
        told = notification(*alerts, group=GroupId("", "relay", f"{{}}:{group}"), reason=reason)
        self.posted.append(told)
        return told

    async def _post(self, told: Notification, parts: int = 1) -> None:
        self.world.now += 0.001  # so that what was posted after a call is never as old as the call
        for part in range(parts):
            alerts = told.alerts[
                part * len(told.alerts) // parts : (part + 1) * len(told.alerts) // parts
            ]
            await self.world.post(replace(told, alerts=alerts, part=part, parts=parts))
        group = int(told.group_key[-1])
        self.told += [(self.world.now, group, each) for each in told.alerts]
        self.last[group] = self.world.now, told

    async def end(self) -> None:
        """The platforms work again and an hour goes by."""
        self.world.faults.clear()
        self.world.now += 600
        await self.world.run(until=self.world.now - T0 + 3600)

    def check(self) -> None:
        rows = self.world.balance()
        assert all(row.pending == 0 for row in rows), rows
        calls = [*self.world.telegram.calls, *self.world.discord.calls]
        assert not [call for call in calls if call.early]
        group, spare, channel = self._telegram(CHAT), self._telegram(SPARE_CHAT), self._discord()
        lasting = (
            1 if self.was_reloaded else 2
        )  # a channel that was away knows nothing of what was told meanwhile
        for shown in (group + spare, channel)[:lasting]:
            everything = "\n".join(text for message in shown for _, text in message.texts)
            for _, number, each in self.told:
                if each.status == "firing":
                    assert f"Group{number}" in everything
                    assert each.labels["instance"] in everything
        for shown in (group, channel)[:lasting]:
            for message in shown:
                for at, text in message.texts:
                    self._check_firing(at, text)
            self._check_present(shown)

    def _check_present(self, shown: "Sequence[Said]") -> None:
        """One message of each group, at most, says that something fires. Unless one was deleted it
        names all that does, and nothing else where the last payload was no late snapshot: that may
        tell of the end of an earlier episode."""
        for number, told in self.reported():
            texts = [message.texts[-1][1] for message in shown if message.stands]
            firing = [
                text
                for text in texts
                if f"Group{number}" in text and FIRING.search(text) and text[0] != "🟢"
            ]
            assert len(firing) <= 1 or self.may_be_repeated, firing
            fires = {each.labels["instance"] for each in told.alerts if each.status == "firing"}
            if fires and all(message.stands for message in shown):
                assert any(fires <= set(FIRING.findall(text)) for text in firing), (fires, texts)
            if (
                told is self.newest(number)
                and not self.may_be_repeated
                and all(message.stands for message in shown)
            ):
                assert {name for text in firing for name in FIRING.findall(text)} == fires

    def reported(self) -> list[tuple[int, Notification]]:
        """The groups that did not go stale, each with its last payload."""
        since = self.world.now - POLICY.stale_after
        return [(number, told) for number, (at, told) in self.last.items() if at > since]

    def newest(self, number: int) -> Notification:
        """What Alertmanager said last of the group, copies and late snapshots apart."""
        return next(told for told in reversed(self.posted) if told.group_key[-1] == str(number))

    def _check_firing(self, at: float, text: str) -> None:
        """No message that was sent at `at` shows as firing what was told to be over, unless it was
        told to fire since then and outlived the hold."""
        group = re.search(r"Group(\d)", text)
        if group is None or text.startswith("🟢"):
            return
        for name in FIRING.findall(text):
            told = [
                (when, each)
                for when, number, each in self.told
                if (number, each.labels["instance"]) == (int(group[1]), name) and when <= at
            ]
            episodes = {each.starts_at for _, each in told if each.status == "firing"}
            assert any(_fires(told, start, at) for start in episodes), (
                f"{name} of group {group[1]} shown as firing at {at - T0}: {text!r}"
            )

    def _telegram(self, chat: int) -> list[Said]:
        messages = self.world.telegram.chats[chat].messages.values()
        return [
            Said(
                m.deleted_at is None, [(version.at, version.content.text) for version in m.versions]
            )
            for m in messages
        ]

    def _discord(self) -> list[Said]:
        messages = self.world.discord.channels[CHANNEL].messages.values()
        return [
            Said(m.deleted_at is None, [(version.at, _text(version)) for version in m.versions])
            for m in messages
        ]


def _text(version: Version) -> str:
    return "\n".join(
        [version.content, *(f"{e.get('title')}\n{e.get('description')}" for e in version.embeds)]
    )


def _fires(told: Sequence[tuple[float, Alert]], start: float, at: float) -> bool:
    """Whether the episode that began at `start` may be shown as firing at `at`: it was not told to
    be over, or was told to fire since then, and that outlived the hold."""
    over = [when for when, each in told if (each.status, each.starts_at) == ("resolved", start)]
    since = [when for when, each in told if (each.status, each.starts_at) == ("firing", start)]
    return not over or any(when >= over[-1] and when + HOLD <= at for when in since)


async def live(night: Night, script: Sequence[Happening]) -> None:
    """All that happens, and what must hold on the way and at the end."""
    for what in script:
        await night.happen(what)
        assert all(row.lost == 0 for row in night.world.balance())
    await night.end()
    night.check()


SOME = settings(
    max_examples=150,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    derandomize=True,
)


ONE_FIRES, ONE_IS_OVER = (
    Post(0, ("firing", "absent", "absent")),
    Post(0, ("resolved", "absent", "absent")),
)


@pytest.mark.medium
@SOME
@given(happenings)
@example([ONE_FIRES, Pass(50.0), ONE_IS_OVER, Pass(3.0), Again(1), Pass(20.0)])  # a late snapshot
@example([ONE_FIRES, Pass(80_000.0), Post(1, ("firing",) * 3), Pass(40_000.0)])  # one goes stale
@example([ONE_FIRES, Fail("cut after", 1.0), Crash(in_call=True), Pass(3.0), Crash(in_call=False)])
async def test_the_promises_hold_whatever_happens(script: list[Happening]) -> None:
    await live(Night(), script)


@pytest.mark.slow
@settings(SOME, max_examples=share(1500))
@given(happenings)
async def test_the_promises_hold_whatever_happens_for_long(script: list[Happening]) -> None:
    await live(Night(), script)
