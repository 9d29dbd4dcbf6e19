"""Timetables: what Alertmanager says at which second, and what the chat shows between which
seconds.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from relay.core.alert import Alert, GroupId
from relay.core.routing.lane import Policy
from relay.sandbox.telegram_chats import Message
from tests.build import POLICY, T0, alert, notification
from tests.world import CHAT, World, telegram_target

Said = Callable[[World], tuple[GroupId, tuple[Alert, ...], str, str]]


class Between(NamedTuple):
    first: float
    last: float


class Sight(NamedTuple):
    """Something the chat showed: when, a kind (post, edit or reply), the text, and whether it made
    a sound.
    """

    at: float
    kind: str
    text: str
    loud: bool
    message: int


def between(first: float, last: float) -> Between:
    return Between(first, last)


class Timetable:
    """One chat, and a script of `at`s and `expect`s that `run` plays on a fake clock."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.world = World(telegram_target(policy=policy))
        self._script: list[tuple[float, Said | Callable[[World], None]]] = []
        self._expected: list[tuple[Between, str, str, bool | None]] = []
        self._known: dict[tuple[str, str], float] = {}

    def at(self, second: float, said: Said) -> None:
        """Alertmanager posts."""
        self._script.append((second, said))

    def fault(self, second: float, until: float, kind: str) -> None:
        """The chat's platform fails."""
        self.world.faults.add("telegram", "*", kind, since=T0 + second, until=T0 + until)  # type: ignore[arg-type]

    def expect(self, when: Between, what: tuple[str, str, bool | None]) -> None:
        """The chat shows it within these seconds; everything that it shows has to be expected."""
        self._expected.append((when, *what))

    def fire(
        self, group: str, *names: str, url: str = "", reason: str = "", at: float | None = None
    ) -> Said:
        return self._say(group, names, (), url, reason, at)

    def resolve(
        self, group: str, *names: str, left: tuple[str, ...] = (), url: str = "", reason: str = ""
    ) -> Said:
        return self._say(group, left, names, url, reason, None)

    def _say(
        self,
        group: str,
        firing: tuple[str, ...],
        over: tuple[str, ...],
        url: str,
        reason: str,
        began: float | None,
    ) -> Said:
        def said(world: World) -> tuple[GroupId, tuple[Alert, ...], str, str]:
            now = world.now
            for name in firing:
                self._known.setdefault((group, name), now if began is None else T0 + began)
            if began is not None:
                self._known.update({(group, name): T0 + began for name in firing})
            fired = [
                alert(name, at=self._known[group, name], name=group.title()) for name in firing
            ]
            ended = [
                alert(
                    name,
                    "resolved",
                    at=self._known.get((group, name), now - 60),
                    ends=now,
                    name=group.title(),
                )
                for name in over
            ]
            return GroupId("", "relay", f"{{}}:{group}"), (*fired, *ended), url, reason

        return said

    async def run(self, until: float) -> None:
        """Plays the script, then compares."""
        for second, said in sorted(self._script, key=lambda entry: entry[0]):
            await self.world.run(until=second)
            group, alerts, url, reason = said(self.world)  # type: ignore[misc]
            told = notification(*alerts, group=group, reason=reason)
            await self.world.post(replace(told, external_url=url or told.external_url))
        await self.world.run(until=until)
        self._compare()

    def _compare(self) -> None:
        seen = sorted(_sights(self.world), key=lambda sight: sight.at)
        missing = []
        for when, kind, text, loud in self._expected:
            found = next((sight for sight in seen if _is(sight, when, kind, text, loud)), None)
            if found is None:
                missing.append((when, kind, text, loud))
            else:
                seen.remove(found)
        told = "\n".join(
            f"{s.at:8.1f} {s.kind:5} {'loud' if s.loud else '    '} {s.text!r}" for s in seen
        )
        assert not missing, f"never shown: {missing}\nunexpected:\n{told}"
        assert not seen, f"unexpected:\n{told}"
        assert all(row.lost == 0 for row in self.world.balance())


def _is(sight: Sight, when: Between, kind: str, text: str, loud: bool | None) -> bool:
    in_time = when.first <= sight.at <= when.last
    return in_time and sight.kind == kind and text in sight.text and loud in (None, sight.loud)


def _sights(world: World) -> list[Sight]:
    sights: list[Sight] = []
    for message in world.telegram.chats[CHAT].messages.values():
        sights += _versions(message)
    return sights


def _versions(message: Message) -> list[Sight]:
    first, *later = message.versions
    is_reply = message.reply_to and "\n" not in first.content.text
    kind = "reply" if is_reply else "post"
    sights = [Sight(first.at - T0, kind, first.content.text, not message.silent, message.id)]
    return sights + [
        Sight(v.at - T0, "edit", v.content.text, loud=False, message=message.id) for v in later
    ]


def post(text: str, *, loud: bool | None = True) -> tuple[str, str, bool | None]:
    return ("post", text, loud)


def edit(text: str) -> tuple[str, str, bool | None]:
    return ("edit", text, False)


def reply(text: str, *, loud: bool | None = True) -> tuple[str, str, bool | None]:
    return ("reply", text, loud)
