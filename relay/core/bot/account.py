"""A Telegram bot of the configuration."""

from typing import Literal

from msgspec import Struct

from relay.core.routing.lane import HttpOptions
from relay.core.secret import Secret

Updates = Literal["polling", "webhook", "none"]


class Bot(Struct, frozen=True):
    """A Telegram bot of the configuration and how it gets updates. `account` is its id;
    `webhook_url` may be empty.
    """

    api: str
    account: str
    token: Secret
    http: HttpOptions
    updates: Updates
    webhook_url: str
