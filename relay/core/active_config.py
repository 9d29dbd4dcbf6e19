"""The configuration as it is applied: one frozen value, which a reload replaces whole."""

from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from relay.core.action.settings import ActingConfig
from relay.core.bot.account import Bot
from relay.core.bot.update import BotId
from relay.core.budget import Limits
from relay.core.card.lane_state import Down
from relay.core.retention import Retention
from relay.core.routing.interval import TimeInterval
from relay.core.routing.lane import LaneKey, Platform, Policy, Target
from relay.core.routing.route import SUBSCRIPTION, Routing
from relay.core.template.template import Templates


class Refusing(Struct, frozen=True):
    """A receiver with a chat that accepts no messages until somebody acts. `why` is the platform's
    reason, `place` is FILE:LINE of the receiver's entry.
    """

    platform: Platform
    receiver: str
    place: str
    why: str


class ActiveConfig(Struct, frozen=True, dict=True):
    """The configuration on which deliveries, messages and answers depend. Cards and deliveries
    refer to receivers and lanes by name.

    `personal` is the policy of chats that subscribe. `notices_receiver` gets the notices. `acting`
    is what people may do from a chat. `wall_ahead` is by how many seconds the wall clock, which
    hours follow, is ahead of the steady clock, which waits follow; 0 while they agree. `sha256` is
    the hexadecimal digest of the configuration file, `generation` its number in the storage.
    """

    routing: Routing
    templates: Templates
    limits: Limits = Limits()
    intervals: dict[str, TimeInterval] = {}
    bots: tuple[Bot, ...] = ()
    personal: Policy = Policy(receiver="", template="", markup="none")
    retention: Retention = Retention()
    notices_receiver: str = ""
    acting: ActingConfig = ActingConfig()
    wall_ahead: float = 0.0
    sha256: str = ""
    generation: int = 0

    @property
    def notices_language(self) -> str:
        """The language of the chat that gets the notices."""
        readers = self.routing.targets.get(self.notices_receiver, ())
        return readers[0].policy.language if readers else "en"

    @property
    def longest_reopen_window(self) -> float:
        """The longest time (seconds) after its end within which an alert may continue its
        episode.
        """
        policies = (self.personal, *(target.policy for target in self.routing.all_targets))
        return max(policy.lifecycle.reopen_window for policy in policies)

    def policy_of(self, lane: LaneKey | None, receiver: str) -> Policy:
        """The policy of the receiver's cards on the lane; `personal` if no receiver reaches the
        lane.
        """
        target = self.target(lane, receiver) if lane else None
        return target.policy if target else self.personal

    def bot(self, bot: BotId) -> Bot | None:
        """The bot with this id, or None if it is not configured."""
        found = (each for each in self.bots if BotId(each.api, each.account) == bot)
        return next(found, None)

    def targets(self, lane: LaneKey) -> tuple[Target, ...]:
        """The targets on the lane, one for each receiver that reaches it."""
        return tuple(self._by_lane.get(lane, {}).values())

    def target(self, lane: LaneKey, receiver: str) -> Target | None:
        """The target of `receiver` on the lane; if it does not reach the lane any more, that of
        another receiver; None if no receiver does.
        """
        targets = self._by_lane.get(lane, {})
        return targets.get(receiver) or next(iter(targets.values()), None)

    def owners(self, receiver: str, fallback: str) -> tuple[str, ...]:
        """The receivers whose deliveries `receiver` passes on to `fallback`: itself first, then the
        receivers whose chain of fallbacks contains it before `fallback`.
        """
        found = [
            owner
            for owner, chain in self._chains.items()
            if receiver in chain
            and fallback in chain
            and chain.index(receiver) < chain.index(fallback)
        ]
        return tuple(sorted(found, key=lambda owner: owner != receiver))

    @cached_property
    def _chains(self) -> dict[str, tuple[str, ...]]:
        """For each receiver the chain of fallbacks that begins with it; no name comes twice."""
        chains: dict[str, tuple[str, ...]] = {}
        for receiver in self.routing.targets:
            visited = [receiver]
            for name in visited:  # grows during the loop
                visited += [
                    target.policy.fallback
                    for target in self.routing.targets.get(name, ())
                    if target.policy.fallback and target.policy.fallback not in visited
                ][:1]
            chains[receiver] = tuple(visited)
        return chains

    def refusing(self, lanes: Iterable[tuple[LaneKey, Down]]) -> tuple[Refusing, ...]:
        """The receivers that the lanes, all of them down, belong to: each once for a platform, with
        its first such chat. Subscribers are left out, since any of them may leave. So is a receiver
        whose secret has changed since: its next message shows whether that helped.
        """
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
