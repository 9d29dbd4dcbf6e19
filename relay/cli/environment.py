"""Settings of the environment that the relay does not use, reported once."""

from collections.abc import Mapping

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def ignored_proxy(environment: Mapping[str, str]) -> str:
    """The warning that a proxy in the environment is not used, and what to write instead; empty
    without one.
    """
    named = next((name for name in _PROXIES if environment.get(name)), "")
    if not named:
        return ""
    return f"{named} is not used: write proxy_url under http_config for the chats that need it"
