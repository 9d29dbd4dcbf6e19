"""What each platform file offers; one contract test runs over all of them."""

from typing import Protocol

from relay.core.budget import Limit, Limits
from relay.core.card.outcome import Outcome
from relay.core.card.step import Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.text.message import Message
from relay.platforms.answer import Row
from relay.platforms.http import NoAnswer, Request, Response


class PlatformFile(Protocol):
    """A chat platform: pure functions from a step to a request and from a response to an
    outcome.
    """

    ROWS: tuple[Row, ...]

    def request(
        self,
        endpoint: Endpoint,
        policy: Policy,
        step: Step,
        message: Message,
        *,
        plain: bool = False,
    ) -> Request:
        """The call that makes `step` show `message`; `plain`: without any style, after it was
        rejected.

        A message that is too large is shortened, so that whatever is sent keeps the platform's
        limits.
        """
        ...

    def probe(self, endpoint: Endpoint) -> Request:
        """A call that changes nothing and tells whether the chat can be reached."""
        ...

    def asks_home(self, endpoint: Endpoint, step: Step) -> bool:
        """Whether the step is worth a `probe` first, for what its answer tells of the chat's
        home.
        """
        ...

    def home(self, response: Response | NoAnswer) -> str:
        """The home that the answer to a probe tells; "-" when it tells none."""
        ...

    def outcome(self, lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
        """What an attempt at `step` (None: a probe) came to, by the platform's table `ROWS`."""
        ...

    def budgets(self, endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:
        """The budgets that every call of the lane takes from; `channel` is where its messages were
        seen to arrive.
        """
        ...

    def pace(self, lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:
        """What the headers of an answer forbid: budget keys, and for how many seconds."""
        ...

    def excess(self, message: Message) -> int:
        """How much too large the message is in its written form, in UTF-16 units or the like; 0
        when it fits.
        """
        ...

    def fits(self, message: Message) -> bool:
        """Whether the message keeps the platform's limits in its written form."""
        ...

    def squeeze(self, message: Message) -> Message:
        """The message made to fit, its largest parts shortened: the last resort behind a template's
        own fitting.
        """
        ...
