"""Anything may happen to a chat that takes two messages a minute: cards and the digest together
show what is.
"""

import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from relay.core.alert import Alert, Notification
from relay.core.budget import Limits, Rate
from tests.acceptance import test_machine as machine
from tests.acceptance.test_machine import (
    FAULTS,
    FIRING,
    REASONS,
    Again,
    Crash,
    Fail,
    Happening,
    Kick,
    Pass,
    Post,
    Purge,
)
from tests.build import alert
from tests.need import share
from tests.world import CHAT, World, telegram_target

GROUPS = 6
TWO_A_MINUTE = Limits({"telegram": {"group": Rate(2, 60.0)}})
DIGEST = re.compile(r"\d+ (?:more )?groups? (firing|over)")
posts = st.builds(
    Post,
    st.integers(0, GROUPS - 1),
    st.tuples(*[st.sampled_from(("firing", "firing", "resolved", "absent"))] * len(machine.NAMES)),
    st.sampled_from(REASONS),
)
happenings = st.lists(
    st.one_of(
        posts,
        posts,
        posts,
        st.builds(Again, st.integers(0, 3)),
        st.builds(Fail, st.sampled_from(FAULTS), st.sampled_from((1.0, 30.0, 400.0))),
        st.builds(Crash, st.booleans()),
        st.builds(Pass, st.sampled_from((0.0, 3.0, 20.0, 50.0, 130.0, 1000.0, 2000.0, 10_000.0))),
        st.builds(Kick, st.sampled_from((1.0, 200.0, 1000.0))),
        st.builds(Purge, st.sampled_from((0.0, 100.0, 5000.0))),
    ),
    min_size=8,
    max_size=40,
)


class Storm(machine.Night):
    """A night with one chat that cannot take a message for each group."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(telegram_target(), limits=TWO_A_MINUTE)

    def check(self) -> None:
        assert all(row.pending == 0 for row in self.world.balance())
        said = self._telegram(CHAT)
        for message in said:
            for at, text in message.texts:
                if not DIGEST.search(text):
                    self._check_firing(at, text)
        texts = [message.texts[-1][1] for message in said]
        digests = [text for text in texts if DIGEST.search(text)]
        own = [text for text in digests if text[0] != "➕"]
        told = own[-1] if own and not own[-1].startswith("🟢") else ""
        for number, last in self.reported():
            fires = {each.labels["instance"] for each in last.alerts if each.status == "firing"}
            cards = [
                text
                for text in texts
                if f"Group{number}" in text
                and text not in digests
                and text[0] != "🟢"
                and "now critical" not in text  # a reply
            ]
            firing = [text for text in cards if FIRING.search(text)]
            in_digest = f"Group{number}" in told
            if fires:
                assert in_digest or any(fires <= set(FIRING.findall(text)) for text in firing), (
                    number,
                    texts,
                )
            elif last is self.newest(
                number
            ):  # an older one may tell of the end of an earlier episode
                assert not in_digest, (number, told)
                assert not firing or self.may_be_repeated, (number, firing)
            assert len(firing) <= 1 or self.may_be_repeated, (number, firing)


class Rise(Struct, frozen=True):
    """What a group reports is critical from now on: another alert of the same thing fires, and the
    one before ends."""

    group: int


class Critical(Storm):
    """The same night with what is critical from the beginning, and what turns critical."""

    def __init__(self) -> None:
        super().__init__()
        self.critical = {0, 1, 2}
        self.before: dict[tuple[int, str], float] = {}

    async def happen(self, what: Happening | Rise) -> None:
        if not isinstance(what, Rise):
            await super().happen(what)
        elif what.group not in self.critical:
            self.critical.add(what.group)
            for name in machine.NAMES:
                began = self.since.pop((what.group, name), None)
                if began is not None:
                    self.before[what.group, name] = began

    def _made(self, group: int, states: Sequence[str], reason: str) -> Notification:
        told = super()._made(group, states, reason)
        severity = "critical" if group in self.critical else "warning"
        alerts = tuple(_of(each, severity) for each in told.alerts)
        ended = [
            _of(alert(name, "resolved", at=self.before.pop((group, name)), ends=self.world.now,
                      name=f"Group{group}"), "warning")
            for name in machine.NAMES
            if (group, name) in self.before
        ]  # fmt: skip
        self.posted[-1] = replace(told, alerts=(*alerts, *ended))
        return self.posted[-1]


def _of(told: Alert, severity: str) -> Alert:
    labels = {**told.labels, "severity": severity}
    return replace(told, labels=labels, fingerprint=f"{told.fingerprint} {severity}")


async def live(night: Critical, script: Sequence[Happening | Rise]) -> None:
    for what in script:
        await night.happen(what)
        assert all(row.lost == 0 for row in night.world.balance())
    await night.end()
    night.check()


criticals = st.lists(
    st.one_of(
        posts,
        posts,
        posts,
        st.builds(Rise, st.integers(0, GROUPS - 1)),
        st.builds(Fail, st.sampled_from(FAULTS), st.sampled_from((1.0, 30.0, 400.0))),
        st.builds(Again, st.integers(0, 3)),
        st.builds(Crash, st.booleans()),
        st.builds(Kick, st.sampled_from((1.0, 200.0, 1000.0))),
        st.builds(Pass, st.sampled_from((0.0, 3.0, 20.0, 50.0, 130.0, 1000.0, 2000.0, 10_000.0))),
        st.builds(Purge, st.sampled_from((0.0, 100.0, 5000.0))),
    ),
    min_size=8,
    max_size=40,
)


SOME = settings(
    max_examples=60,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    derandomize=True,
)


@pytest.mark.medium
@SOME
@given(happenings)
async def test_what_is_shows_in_a_card_or_in_the_digest_whatever_happens(
    script: list[Happening],
) -> None:
    await machine.live(Storm(), script)


@pytest.mark.slow
@settings(SOME, max_examples=share(1000))
@given(happenings)
async def test_what_is_shows_in_a_card_or_in_the_digest_whatever_happens_for_long(
    script: list[Happening],
) -> None:
    await machine.live(Storm(), script)


@pytest.mark.medium
@SOME
@given(criticals)
async def test_what_is_urgent_shows_in_a_card_or_in_the_digest_whatever_happens(
    script: list[Happening | Rise],
) -> None:
    await live(Critical(), script)


@pytest.mark.slow
@settings(SOME, max_examples=share(1000))
@given(criticals)
async def test_what_is_urgent_shows_in_a_card_or_in_the_digest_whatever_happens_for_long(
    script: list[Happening | Rise],
) -> None:
    await live(Critical(), script)
