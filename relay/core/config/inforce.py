"""What is in force: routing, templates, limits and hours, as one frozen value that a reload replaces whole."""

from functools import cached_property

from msgspec import Struct

from relay.core.budget import Limits
from relay.core.routing.interval import TimeInterval
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.route import Routing
from relay.core.template.template import Templates


class InForce(Struct, frozen=True, dict=True):
    """Everything that deliveries and messages depend on. Cards and deliveries name receivers and lanes, never this."""

    routing: Routing
    templates: Templates
    limits: Limits = Limits()
    intervals: dict[str, TimeInterval] = {}

    def targets(self, lane: LaneKey) -> tuple[Target, ...]:
        """Every receiver's way to the lane."""
        return tuple(self._by_lane.get(lane, {}).values())

    def target(self, lane: LaneKey, receiver: str) -> Target | None:
        """How `receiver` reaches `lane` now; how another one does, if it no longer does; None when nobody does."""
        targets = self._by_lane.get(lane, {})
        return targets.get(receiver) or next(iter(targets.values()), None)

    @cached_property
    def _by_lane(self) -> dict[LaneKey, dict[str, Target]]:
        found: dict[LaneKey, dict[str, Target]] = {}
        for target in self.routing.all_targets:
            found.setdefault(target.lane, {})[target.policy.receiver] = target
        return found
