"""How fast payloads come, and how much of the time of the store's thread other jobs have meanwhile:
turns yield to a flow of payloads, by share of time, for some seconds.
"""

from collections import deque

_RECENT = 0.05  # seconds over which payloads are counted
_MANY = 8  # payloads within that time that are a flow
_PAUSE = 4  # pause after a job, in times its length: other jobs get a fifth of the time
_LONGEST_PAUSE = 0.1  # seconds
_PATIENCE = 2.0  # seconds after which jobs no longer yield to a flow without an end
_REST = 0.5  # seconds without a flow after which a new one can begin


class TurnPace:
    """The pace of jobs that yield. Times are seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._came: deque[tuple[float, int]] = deque()
        self._recent = 0
        self._began = self._flowed = float("-inf")
        self._free_at = 0.0

    def came(self, payloads: int, at: float) -> None:
        """Records that so many payloads came."""
        self._came.append((at, payloads))
        self._recent += payloads
        self.flows(at)

    def flows(self, at: float) -> bool:
        """Whether payloads come so fast that other jobs yield to them."""
        while self._came and self._came[0][0] <= at - _RECENT:
            self._recent -= self._came.popleft()[1]
        if self._recent < _MANY:
            return False
        if at - self._flowed > _REST:
            self._began = at
        self._flowed = at
        return at - self._began < _PATIENCE

    def worked(self, seconds: float, at: float) -> None:
        """Records that a job that yields took so long, and ended now. What came meanwhile is not
        counted yet, so whether payloads flow is judged by what came before it.
        """
        pause = min(_PAUSE * seconds, _LONGEST_PAUSE) if self.flows(at - seconds) else 0.0
        self._free_at = at + pause

    def pause(self, at: float) -> float:
        """Seconds until the next job that yields may begin; 0.0: now."""
        return max(0.0, self._free_at - at) if self.flows(at) else 0.0
