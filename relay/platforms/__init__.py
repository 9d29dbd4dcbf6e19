"""One folder for each chat platform: a step becomes a request, a response becomes an outcome. Pure.

`PLATFORMS` is the registry, with a line for each. Whoever uses it gets it as an argument.
"""

from relay.platforms import discord, telegram
from relay.platforms.contract import Platforms, registry

PLATFORMS: Platforms = registry(
    telegram=telegram,
    discord=discord,
)
