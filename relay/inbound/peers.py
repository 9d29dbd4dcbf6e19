"""The sender of a request: whether operators are told of its mistakes (an internal address, or a
sender that is known), and the host names under which a listener on loopback may be asked.
"""

import ipaddress
from functools import lru_cache

_MOST_SENDERS = 1024


class Peers:
    """The latest addresses that posted an accepted payload."""

    def __init__(self) -> None:
        self._senders: dict[str, None] = {}

    def accepted(self, peer: str) -> None:
        """Records that a payload of this address was accepted."""
        if peer in self._senders:
            return
        self._senders[peer] = None
        if len(self._senders) > _MOST_SENDERS:
            del self._senders[next(iter(self._senders))]

    def is_stranger(self, peer: str) -> bool:
        """Whether it is a public address from which nothing was accepted in this run."""
        return peer not in self._senders and not _is_near(peer)


def network(peer: str) -> str:
    """What counts as one peer: an address, or the IPv6 network of one customer."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return peer


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this machine for every resolver."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


@lru_cache(maxsize=64)  # the same few senders ask all the time
def is_own_host(header: str, external: str) -> bool:
    """Whether a `Host` header names loopback or the host of `--web.external-url`. A page in a
    browser reaches loopback under a name of its own; a request without the header does not come
    from a browser.
    """
    host = header.strip()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return not host or is_loopback(name) or (bool(external) and name.lower() == external.lower())


def _is_near(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return True  # not over the network
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not address.is_global
