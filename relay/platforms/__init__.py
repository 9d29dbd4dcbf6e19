"""One folder for each chat platform: a step becomes a request, a response becomes an outcome. Pure.

`PLATFORMS` is the registry: a line for each. It is given to those who use it.
"""

from relay.platforms import discord, telegram
from relay.platforms.contract import Platforms, registry

PLATFORMS: Platforms = registry(
    telegram=telegram,
    discord=discord,
)
