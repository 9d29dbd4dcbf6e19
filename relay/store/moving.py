"""Moves the open cards of lanes that are no longer configured to their successors, within the
store.
"""

from relay.core.active_config import ActiveConfig
from relay.core.routing.lane import LaneKey
from relay.core.turn.moving import leads_to, moved
from relay.store.protocol import Store


def move_cards(store: Store, config: ActiveConfig, now: float) -> tuple[LaneKey, ...]:
    """Gives the open cards of Discord webhooks to the bots that have taken over their channels,
    within `Store.batch`. Returns the lanes that have work now.
    """
    lanes = [target.lane for target in config.routing.all_targets]
    if not any(lane.platform == "discord" and lane.chat for lane in lanes):
        return ()
    woken: list[LaneKey] = []
    for lane, card in store.stranded(lanes):
        target = leads_to(config, lane, store.state(lane), card.receiver)
        if target is None:
            continue
        known = store.card(target.lane, card.group, card.fingerprint)
        change = moved(card, known, target, now)
        own, other = store.take(lane), store.take(target.lane)
        if change is not None and own is not None and other is not None:
            woken += store.move(own, other, change)
    return tuple(dict.fromkeys(woken))
