"""The configuration in force: one frozen value, replaced whole."""

from msgspec.structs import replace

from relay.core.active_config import ActiveConfig
from relay.core.bot.people import Subscription, subscribers


class CurrentConfig:
    """Holds the configuration in force. `current` is read once for a turn, a request or an update,
    and nobody keeps it.
    """

    def __init__(self, loaded: ActiveConfig) -> None:
        """`loaded` is the configuration file's; there are no subscribers yet."""
        self._loaded = loaded
        self._subscriptions: tuple[Subscription, ...] = ()
        self._wall_ahead = 0.0
        self.current = loaded

    def load(self, loaded: ActiveConfig) -> None:
        """Puts a newly loaded file in force. Subscribers stay."""
        self._loaded = loaded
        self._join()

    def subscribe(self, subscriptions: tuple[Subscription, ...]) -> None:
        """Replaces the subscribers."""
        self._subscriptions = subscriptions
        self._join()

    def part_clocks(self, wall_ahead: float) -> None:
        """Records by how many seconds the wall clock is ahead of the steady clock."""
        self._wall_ahead = wall_ahead
        self._join()

    def _join(self) -> None:
        loaded = self._loaded
        personal = subscribers(self._subscriptions, loaded.bots, loaded.personal)
        routing = replace(loaded.routing, subscriptions=personal)
        self.current = replace(loaded, routing=routing, wall_ahead=self._wall_ahead)
