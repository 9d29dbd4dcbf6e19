"""Who asks: near addresses and senders known from before, by whose mistakes operators are rung, and
the names under which a listener on loopback may be asked.
"""

import ipaddress
from functools import lru_cache

_MOST_SENDERS = 1024


class Peers:
    """The addresses that posted an accepted payload, the latest of them."""

    def __init__(self) -> None:
        self._senders: dict[str, None] = {}

    def accepted(self, peer: str) -> None:
        """A payload of this address was accepted."""
        if peer in self._senders:
            return
        self._senders[peer] = None
        if len(self._senders) > _MOST_SENDERS:
            del self._senders[next(iter(self._senders))]

    def is_stranger(self, peer: str) -> bool:
        """Whether it is a public address that posted nothing accepted in this run."""
        return peer not in self._senders and not _is_near(peer)


def network(peer: str) -> str:
    """What counts as one peer: an address, of IPv6 the network of one customer."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return peer


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this machine by any resolver."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


@lru_cache(maxsize=64)  # the same few senders ask all the time
def is_own_host(header: str, external: str) -> bool:
    """Whether a `Host` header names loopback or the host of `--web.external-url`. A page of a
    browser reaches loopback under a name of its own; a request without the header is not a
    browser's.
    """
    host = header.strip()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return not host or is_loopback(name) or (bool(external) and name.lower() == external.lower())


def _is_near(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return True  # not of the network
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not address.is_global
