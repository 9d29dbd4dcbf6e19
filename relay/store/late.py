"""Accepting late: what waited on a local disk becomes deliveries, together with what was committed
meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from relay.core.alert import Notification
from relay.store.history import StoredPayload
from relay.store.protocol import Kept, NewPayload, Store

_notification = msgspec.json.Decoder(Notification).decode


class Overtaken(Exception):  # noqa: N818 - a state of the storage, of which the caller hears
    """Others committed `payloads` before, of which is to be known: nothing was kept."""

    def __init__(self, payloads: Sequence[StoredPayload]) -> None:
        super().__init__()
        self.payloads = tuple(payloads)


def committed_since(store: Store, since: float, after: int, until: int) -> list[StoredPayload]:
    """The committed payloads with numbers between `after` and `until`, if they are not older than
    `since` (Unix seconds).
    """
    found: list[StoredPayload] = []
    while page := store.stored_payloads(since, after):
        found += [each for each in page if each.number < until]
        after = page[-1].number
        if after >= until:
            break
    return found


def accept_late(
    store: Store,
    payloads: Sequence[NewPayload],
    since: float,
    after: int,
    is_news: Callable[[Sequence[StoredPayload]], bool],
) -> tuple[Kept, list[StoredPayload]]:
    """Accepts them, in a transaction. Others that accept wait from the moment on that the payloads
    have their numbers, so what was committed before can be told: that behind the number `after`,
    which is returned too, unless `is_news` says that it matters. Raises Overtaken.
    """
    kept = store.accept(payloads)
    committed = committed_since(store, since, after, kept.first)
    if is_news(committed):
        raise Overtaken(committed)
    return kept, committed


def read(payloads: Iterable[StoredPayload]) -> list[tuple[float, Notification]]:
    """When each was accepted, and what it says; those that cannot be read are left out."""
    said: list[tuple[float, Notification]] = []
    for each in payloads:
        try:
            said.append((each.accepted_at, _notification(each.body)))
        except msgspec.MsgspecError:
            continue
    return said
