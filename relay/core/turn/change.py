"""The results of a turn: changed cards, and the result of an attempt."""

from msgspec import Struct

from relay.core.alert import GroupId
from relay.core.budget import Block
from relay.core.card.card import Card
from relay.core.card.lane_state import LaneState
from relay.core.card.step import Rank
from relay.core.routing.lane import LaneKey


class CardChange(Struct, frozen=True):
    """A card to store. `due`: when it next has something to do. `folded` are the deliveries that it
    took in, `duplicates` those of them that brought nothing new, `originals` the deliveries that
    those repeat. `settled`: the chat shows all of it, so pending deliveries were merged into that;
    or, with `muted_by`, were muted by that time interval or person. `rank` is that of its next
    step. `leaves`: its digest no longer counts it.
    """

    card: Card
    due: float | None
    urgent: bool
    folded: tuple[int, ...] = ()
    duplicates: tuple[int, ...] = ()
    settled: bool = False
    rank: Rank = Rank.LOOK
    leaves: bool = False
    muted_by: str = ""
    originals: tuple[int, ...] = ()


class AttemptResult(Struct, frozen=True):
    """The result of an attempt. `shown`: the deliveries that the card folded are done; `dead`: why
    they never will be; `blocks`: the blocks that the answer demands; `renamed`: budgets that the
    call counted under before its answer named others. `digest`: the card is the lane's digest and
    names these cards: their deliveries are delivered, those of the others merged; `rang`: it made a
    sound for something urgent in it. `also` are other cards that the attempt makes due. `budgets`
    are those of the call, unless one of them refused it; `passed`: the platform itself answered it.
    """

    lane: LaneKey
    state: LaneState
    change: CardChange
    now: float
    blocks: tuple[Block, ...] = ()
    shown: bool = False
    dead: str = ""
    renamed: tuple[tuple[str, str], ...] = ()
    digest: frozenset[tuple[GroupId, str]] | None = None
    rang: bool = False
    also: tuple[CardChange, ...] = ()
    budgets: tuple[str, ...] = ()
    passed: bool = False
