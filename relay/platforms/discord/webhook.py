"""Addresses of Discord webhooks: the many forms of one become the same lane."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from relay.core.secret import Secret

_PATH = re.compile(r"/api(?:/v[0-9]+)?/webhooks/([0-9]{1,20})/([A-Za-z0-9_-]{1,200})/?")
_OTHER_FORM = re.compile(r"/api(?:/v[0-9]+)?/webhooks/[0-9]+/[A-Za-z0-9_-]+(/slack|/github)/?")
# Hosts in URLs that people copy from older or test versions of the app.
_DISCORD = re.compile(r"(?:(?:www|ptb|canary)\.)?discord(?:app)?\.com")


class Webhook(Struct, frozen=True):
    """A webhook: the address of its API (scheme and host), its id, and the whole URL, which is a
    secret.
    """

    api: str
    id: str
    url: Secret


def parse_webhook(text: str) -> Webhook:
    """The webhook of a URL. Raises ValueError, which never shows the URL.

    https, or http to this machine itself. https://discord.com/developers/docs/resources/webhook
    """
    text = text.strip()
    if text.startswith(("discord.com/", "discordapp.com/")):
        raise ValueError("a webhook URL begins with https://")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("this is not a webhook URL") from None
    found = _PATH.fullmatch(parts.path)
    other = _OTHER_FORM.fullmatch(parts.path)
    if other is not None:
        raise ValueError(
            f"remove {other[1]} from the end of the webhook URL: the relay posts in Discord's own "
            "format"
        )
    if parts.path.startswith("/channels/"):
        raise ValueError(
            "this is the address of a channel: copy that of a webhook from the channel's settings"
        )
    if found is None or not host or parts.username is not None or not text.isprintable():
        raise ValueError(
            "expected a webhook URL, as the channel's settings give it: "
            "https://discord.com/api/webhooks and so on"
        )
    if thread := re.search(r"(?:^|&)thread_id=([0-9]{1,20})(?:&|$)", parts.query):
        raise ValueError(f'remove ?{parts.query} from the end and write thread_id: "{thread[1]}"')
    if parts.query or parts.fragment:
        raise ValueError("a webhook URL ends after its token: remove what follows it")
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise ValueError("a webhook URL begins with https://")
    if _DISCORD.fullmatch(host):
        host = "discord.com"
    address = f"[{host}]" if ":" in host else host
    api = f"{parts.scheme}://{address}" + (f":{port}" if port else "")
    return Webhook(api, found[1], Secret(f"{api}/api/webhooks/{found[1]}/{found[2]}"))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
