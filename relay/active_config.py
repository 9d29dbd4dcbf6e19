"""The configuration that is active: one frozen value, replaced whole."""

from msgspec.structs import replace

from relay.core.active_config import ActiveConfig
from relay.core.bot.people import Subscription, subscribers


class CurrentConfig:
    """Where everybody finds the active configuration: `current` is read once for a turn, a request
    or an update, and nobody keeps it.
    """

    def __init__(self, loaded: ActiveConfig) -> None:
        """`loaded` is what the configuration file says; nobody has subscribed yet."""
        self._loaded = loaded
        self._subscriptions: tuple[Subscription, ...] = ()
        self._wall_ahead = 0.0
        self.current = loaded

    def load(self, loaded: ActiveConfig) -> None:
        """From now on the file says this; those who subscribed stay."""
        self._loaded = loaded
        self._join()

    def subscribe(self, subscriptions: tuple[Subscription, ...]) -> None:
        """From now on these are all who subscribed."""
        self._subscriptions = subscriptions
        self._join()

    def part_clocks(self, wall_ahead: float) -> None:
        """From now on the clock on the wall is that many seconds ahead of the steady one."""
        self._wall_ahead = wall_ahead
        self._join()

    def _join(self) -> None:
        loaded = self._loaded
        personal = subscribers(self._subscriptions, loaded.bots, loaded.personal)
        routing = replace(loaded.routing, subscriptions=personal)
        self.current = replace(loaded, routing=routing, wall_ahead=self._wall_ahead)
