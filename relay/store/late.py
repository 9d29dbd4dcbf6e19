"""Accepting late: payloads that waited on a local disk become deliveries, compared with what was
committed meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from relay.core.alert import Notification
from relay.store.history import StoredPayload
from relay.store.protocol import Kept, NewPayload, Store

_notification = msgspec.json.Decoder(Notification).decode


class Overtaken(Exception):  # noqa: N818 - a state of the storage, not an error
    """Others committed `payloads` meanwhile, which have to be compared first; nothing was
    stored.
    """

    def __init__(self, payloads: Sequence[StoredPayload]) -> None:
        super().__init__()
        self.payloads = tuple(payloads)


def committed_since(store: Store, since: float, after: int, until: int) -> list[StoredPayload]:
    """The committed payloads with numbers between `after` and `until`, except those accepted before
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
    """Accepts the payloads in a transaction. Once they have their numbers, other processes that
    accept wait, so what was committed before them is known: the payloads after the number `after`.
    If `is_news` says that those matter, raises Overtaken. Returns the result and those payloads.
    """
    kept = store.accept(payloads)
    committed = committed_since(store, since, after, kept.first)
    if is_news(committed):
        raise Overtaken(committed)
    return kept, committed


def read(payloads: Iterable[StoredPayload]) -> list[tuple[float, Notification]]:
    """The payloads with their time of acceptance; those that cannot be read are left out."""
    said: list[tuple[float, Notification]] = []
    for each in payloads:
        try:
            said.append((each.accepted_at, _notification(each.body)))
        except msgspec.MsgspecError:
            continue
    return said
