"""Keeps a process on this machine: a connection to any other address fails."""

import ipaddress
import sys

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def stay_on_this_machine() -> None:
    """Forbids other addresses until the end of the process."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS and len(arguments) > 1 and not is_here(arguments[1]):
        raise ConnectionRefusedError(f"the demo calls nobody outside: {arguments[1]}")
    if event == "socket.getaddrinfo" and not _is_local(arguments[0]):
        raise ConnectionRefusedError(f"the demo calls nobody outside: {arguments[0]}")


def is_here(address: object) -> bool:
    """Whether the address of a socket is on this machine: loopback, or a path."""
    return not isinstance(address, tuple) or _is_local(address[0])


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False
