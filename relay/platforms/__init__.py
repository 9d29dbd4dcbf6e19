"""One file per chat platform: a step becomes a request, a response becomes an outcome. Pure."""

from relay.core.routing.lane import Platform
from relay.platforms.contract import PlatformFile
from relay.platforms.discord import messages as discord
from relay.platforms.telegram import messages as telegram

PLATFORMS: dict[Platform, PlatformFile] = {"telegram": telegram, "discord": discord}


def platform_of(name: Platform) -> PlatformFile:
    """The file of a platform."""
    return PLATFORMS[name]
