"""The active configuration: routing, templates, limits and time intervals as one frozen value; a
reload replaces it whole.
"""

from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from relay.core.budget import Limits
from relay.core.card.lane_state import Down
from relay.core.routing.interval import TimeInterval
from relay.core.routing.lane import LaneKey, Platform, Target
from relay.core.routing.route import SUBSCRIPTION, Routing
from relay.core.template.template import Templates


class Refusing(Struct, frozen=True):
    """A receiver has a chat that takes no messages until someone acts: `why` as the platform says
    it, `place` is FILE:LINE of its entry."""

    platform: Platform
    receiver: str
    place: str
    why: str


class ActiveConfig(Struct, frozen=True, dict=True):
    """Everything that deliveries and messages depend on. Cards and deliveries name receivers and
    lanes, never this.
    """

    routing: Routing
    templates: Templates
    limits: Limits = Limits()
    intervals: dict[str, TimeInterval] = {}

    def targets(self, lane: LaneKey) -> tuple[Target, ...]:
        """Every receiver's way to the lane."""
        return tuple(self._by_lane.get(lane, {}).values())

    def target(self, lane: LaneKey, receiver: str) -> Target | None:
        """How `receiver` reaches `lane` now; how another one does, if it no longer does; None when
        nobody does.
        """
        targets = self._by_lane.get(lane, {})
        return targets.get(receiver) or next(iter(targets.values()), None)

    def refusing(self, lanes: Iterable[tuple[LaneKey, Down]]) -> tuple[Refusing, ...]:
        """The receivers that these lanes, which are down, concern: each once for a platform, with
        the first of its chats. Not those of subscribers: of many people each may leave. Nor one
        that has another secret by now: its next message is to tell."""
        found: dict[tuple[Platform, str], Refusing] = {}
        for lane, down in lanes:
            for target in self.targets(lane):
                where = (lane.platform, target.policy.receiver)
                is_same = down.secret in ("", target.endpoint.secret.mark)
                if target.policy.receiver != SUBSCRIPTION and is_same:
                    found.setdefault(where, Refusing(*where, target.place, down.why))
        return tuple(found.values())

    @cached_property
    def _by_lane(self) -> dict[LaneKey, dict[str, Target]]:
        found: dict[LaneKey, dict[str, Target]] = {}
        for target in self.routing.all_targets:
            found.setdefault(target.lane, {})[target.policy.receiver] = target
        return found
