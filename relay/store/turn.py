"""The turn of a lane within the store: the last result is settled, a page of deliveries is folded,
and the next step is decided, all in one transaction.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.marks import NO_MARKS
from relay.core.active_config import ActiveConfig
from relay.core.alert import GroupId, via
from relay.core.bot.people import Subscription
from relay.core.card import suspicion, withheld
from relay.core.card.card import Card, Head, fires_anew, is_firing
from relay.core.card.digest import DIGEST, is_old, share
from relay.core.card.failures import (
    FIRST_PAUSE,
    gives_way,
    hastened,
    name_of,
    owes_fallback,
    yields,
)
from relay.core.card.fold import Arriving, fold
from relay.core.card.lane_state import LaneState
from relay.core.card.outcome import Unknown
from relay.core.card.step import Rank, Wait
from relay.core.card.view import EPISODES_KEPT, Memory, WentOn
from relay.core.event import EndReason, Settlement
from relay.core.routing.lane import LaneKey, Target
from relay.core.routing.route import SUBSCRIPTION, deliveries
from relay.core.turn.change import AttemptResult, CardChange
from relay.core.turn.decide import (
    FEW,
    URGENT_PART,
    URGENT_PAUSE,
    Absorb,
    Close,
    Follow,
    Save,
    Send,
    Situation,
    decide,
    hours_of,
    kept,
    leaving,
    pause,
)
from relay.core.turn.finish import Attempted, Contents, finish
from relay.platforms.contract import Platforms
from relay.platforms.endpoint import limits_of
from relay.store.protocol import Claim, Ended, Lease, Open, Store
from relay.store.turn_acting import ActingTurn
from relay.store.turn_fallbacks import copy_to_fallbacks, hand_over

PAGE = 16  # deliveries folded at a time
AFTER_BUG = 15.0  # seconds for which others of its chat go before a card at which a turn failed
_LARGE = 2000  # alerts; folding more of them ends a turn, so that others get the store's thread
_MOST_LED = 100  # alerts of a card that are looked up on other cards
_LOOK_AGAIN = 15.0  # seconds until a card checks again for a message that is still to come
_MOST_TWINS = 3  # alerts of a card that may be the same thing at several severities
_MOST_SAVED = 16  # cards that a turn stores without a call before others get the store's thread
_MOMENT = 0.01  # seconds: something due so soon is due, however its time was rounded
LEFT_ALONE = 5.0  # seconds for which a lane is left to processes with a newer configuration
_YIELDS = 5.0  # seconds for which a card that failed lets others of its lane go first
_Key = tuple[GroupId, str]


class Ending(Struct, frozen=True):
    """Deliveries of a lane that ended, and why."""

    lane: LaneKey
    ended: tuple[Ended, ...]
    why: str = ""


class Turn(Struct, frozen=True):
    """The result of a turn.

    `next` is the call to make, or until when there is none (Unix seconds; None: nothing is to
    come). `situation` belongs to the call. `woken` are other lanes that got work; `endings` are the
    deliveries that ended; `contradicted` are the groups (key, and external URLs) about which two
    Alertmanagers keep contradicting each other; `bugs` are the errors of cards that wait for some
    time because of them; `left` are the subscriptions of a chat that left for good, `subscriptions`
    those that remain. `absent` are sources some of whose alerts are no longer listed, so that their
    Alertmanagers can be asked. `hand_over_at`: when deliveries that waited too long go to a
    fallback, whatever the result of the call. `leaves`: the lane is for a process with a newer
    configuration.
    """

    next: Send | Wait
    situation: Situation | None = None
    woken: tuple[LaneKey, ...] = ()
    endings: tuple[Ending, ...] = ()
    contradicted: tuple[tuple[str, str, str], ...] = ()
    bugs: tuple[str, ...] = ()
    left: tuple[Subscription, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    hand_over_at: float | None = None
    absent: tuple[str, ...] = ()
    leaves: bool = False


class Refused(Struct, frozen=True):
    """Budgets allow no call of this rank or a higher number before `until` (Unix seconds)."""

    rank: Rank
    until: float


def take_turn(
    store: Store,
    lease: Lease,
    config: ActiveConfig,
    platforms: Platforms,
    now: float,
    result: AttemptResult | None,
    jitter: float = 0.5,
    refused: Refused | None = None,
) -> Turn:
    """One turn of the lane at `now` (Unix seconds), within `Store.batch`. `result` is the result of
    the last call; without one, a call that was begun and not settled is settled as unknown, with
    `jitter` (0 to 1) in its pause. A step that was `refused` a moment ago is not tried. Raises
    StoreError and Fenced.
    """
    lane = lease.lane
    if refused is not None and refused.until <= now:
        refused = None
    before = refused.rank if refused else None
    turn = _Turn(store, lease, config, platforms, now)
    if store.in_doubt(lane) is None:
        result = None  # it was stored, although the commit seemed to fail
    elif result is None:
        result = doubt(store, lane, config, now, jitter)
    if result is not None:
        turn.settle(result)
    claim = store.claim(lease, now, PAGE, before)
    turn.wake(claim.woken)
    if turn.is_out_of_date(claim):
        return turn.left()
    if claim.page or claim.more:
        size = turn.fold(claim)
        if claim.more or size > _LARGE:
            return turn.done(Wait(now))
        claim = store.claim(lease, now, 0, before)
        if turn.is_out_of_date(claim):
            return turn.left()
    urgent = bool(claim.cards) and claim.rank == Rank.URGENT
    targets, called_at = config.targets(lane), claim.called_at
    paused = pause(claim.state, targets, now, urgent=urgent, called_at=called_at)
    if paused is not None:
        if claim.state.down:
            turn.copy_to_fallbacks()
        return turn.done(paused)
    for _ in range(_MOST_SAVED):
        if not claim.cards:
            return turn.done(_next(claim.next_due, refused))
        sent = turn.bring(claim, claim.cards[0])
        if sent is not None:
            return turn.done(*sent)
        claim = store.claim(lease, now, 0, before)
        if turn.is_out_of_date(claim):
            return turn.left()
    return turn.done(Wait(now))


def _next(due: float | None, refused: Refused | None) -> Wait:
    if refused is None:
        return Wait(due)
    return Wait(refused.until if due is None else min(due, refused.until))


def settle_once(store: Store, lease: Lease, result: AttemptResult) -> tuple[Ended, ...]:
    """Settles the call, unless that was done: a commit that seemed to fail may have succeeded."""
    return () if store.in_doubt(lease.lane) is None else store.settle(lease, result)


def doubt(
    store: Store,
    lane: LaneKey,
    config: ActiveConfig,
    now: float,
    jitter: float,
    why: str = "the relay stopped during the call",
) -> AttemptResult | None:
    """The result of a call that was begun and whose answer nobody has: its message may be in the
    chat. None if there is no such call, or no receiver shows its card any more.
    """
    attempt = store.in_doubt(lane)
    card = store.card(lane, attempt.group, attempt.fingerprint) if attempt else None
    target = config.target(lane, card.receiver) if card else None
    if attempt is None or card is None or target is None:
        return None
    state = store.state(lane)
    situation = Situation(now, target, state, hours_of(card, target, config, now))
    unknown = Attempted(now, Unknown(why, stopped=True), state)
    send = Send(card, attempt.step, attempt.rank)
    return finish(send, situation, Contents(), unknown, jitter)


class _Turn:
    """A turn under way, with what it has done so far."""

    def __init__(
        self, store: Store, lease: Lease, config: ActiveConfig, platforms: Platforms, now: float
    ) -> None:
        self._store = store
        self._lease = lease
        self._lane = lease.lane
        self._config = config
        self._platforms = platforms
        self._now = now
        self._woken: list[LaneKey] = []
        self._absent: list[str] = []
        self._endings: list[Ending] = []
        self._contradicted: list[tuple[str, str, str]] = []
        self._bugs: list[str] = []
        self._left: tuple[Subscription, ...] = ()
        self._acting = ActingTurn(store, lease.lane, config, platforms, now)

    def done(self, then: Send | Wait, situation: Situation | None = None) -> Turn:
        lanes, hand_over_at = hand_over(self._store, self._lease, self._config, self._now)
        self._woken += lanes
        if isinstance(then, Wait) and hand_over_at is not None:
            then = Wait(hand_over_at if then.until is None else min(then.until, hand_over_at))
        return Turn(
            next=then,
            situation=situation,
            woken=tuple(dict.fromkeys(self._woken)),
            endings=tuple(self._endings),
            contradicted=tuple(self._contradicted),
            bugs=tuple(self._bugs),
            left=self._left,
            subscriptions=self._store.people.subscriptions() if self._left else (),
            hand_over_at=hand_over_at,
            absent=tuple(dict.fromkeys(self._absent)),
        )

    def left(self) -> Turn:
        """What was done so far; the lane is left to those who know better."""
        return replace(self.done(Wait(self._now + LEFT_ALONE)), leaves=True)

    def is_out_of_date(self, claim: Claim) -> bool:
        """Whether another process knows better: a newer configuration than ours routed the claimed
        deliveries, or no receiver shows them by our configuration, which is not the newest.
        """
        ours = self._config.generation
        if any(opened.generation > ours for opened in claim.page):
            return True
        receivers = (*(o.receiver for o in claim.page), *(card.receiver for card in claim.cards))
        gone = any(self._config.target(self._lane, receiver) is None for receiver in receivers)
        return gone and ours < self._store.newest_generation()

    def copy_to_fallbacks(self, card: _Key | None = None) -> None:
        self._woken += copy_to_fallbacks(self._store, self._lease, self._config, card)

    def wake(self, lanes: tuple[LaneKey, ...]) -> None:
        self._woken += [lane for lane in lanes if lane != self._lane]

    def end(self, ended: tuple[Ended, ...], why: str = "") -> None:
        if ended:
            self._endings.append(Ending(self._lane, ended, why))

    def settle(self, result: AttemptResult) -> None:
        """Stores the result. If a subscriber's chat left for good, its subscriptions end. The end
        of the lane's trouble ends the pauses of its cards and of other lanes of its API. A card
        that cannot be told goes to the fallback.
        """
        since = self._store.state(self._lane).passed_at
        card = result.change.card
        key = None if card.group == DIGEST else (card.group, card.fingerprint)
        if result.dead or owes_fallback(card.failures):
            self.copy_to_fallbacks(key)
        self.end(self._store.settle(self._lease, result), result.dead)
        if result.state.recovered_at >= result.now:
            self._store.look_again(self._lease, result.now)
        if result.passed:
            woken = self._store.wake_api(self._lease, since, self._now, URGENT_PAUSE)
            self._woken += woken
        if result.shown:
            self._acting.start_clocks(card, result.now)
        self._look_once_more(card)
        people, down = self._store.people, result.state.down
        if down is not None and result.change.card.receiver == SUBSCRIPTION and down.left:
            fallen = [each.id for each, _ in people.fallen() if each.lane == self._lane]
            self._left = people.end_subscriptions(fallen)

    def _look_once_more(self, card: Card) -> None:
        """Rechecks the card, since somebody may have acted during the call."""
        target = self._config.target(self._lane, card.receiver)
        if target is None or not (self._config.acting.is_used or card.acting != NO_MARKS):
            return
        now = self._acting.overlaid(card, target)
        if (now.acting, now.owed) != (card.acting, card.owed):
            self._store.postpone(self._lease, card.group, card.fingerprint, self._now)

    def fold(self, claim: Claim) -> int:
        """Folds the page into its cards, and returns how many alerts those have. Deliveries whose
        chat or receiver is gone are routed again.
        """
        known = {(card.group, card.fingerprint): card for card in claim.cards}
        pages: dict[_Key, list[Open]] = {}
        for opened in claim.page:
            pages.setdefault((opened.group, opened.fingerprint), []).append(opened)
        absorbed = any(card.absorbed for card in claim.cards)
        digest = self._store.card(self._lane, DIGEST, "") if absorbed else None
        changes: list[CardChange] = []
        for key, page in pages.items():
            target = self._config.target(self._lane, page[-1].receiver)
            if target is None:
                for opened in page:
                    self._route_again(opened)
                continue
            card = known.get(key) or Card(*key, receiver=target.policy.receiver)
            changes.append(self._folded(card, page, claim, target, digest))
        self.end(self._store.fold(self._lease, changes, self._now))
        if claim.state.down:
            self.copy_to_fallbacks()
        for change in changes:
            key = (change.card.group, change.card.fingerprint)
            if key in known or len(pages[key]) > 1:
                self._supersede(change.card, pages[key])
        return sum(len(change.card.entries) for change in changes)

    def _folded(
        self, card: Card, page: Sequence[Open], claim: Claim, target: Target, digest: Card | None
    ) -> CardChange:
        """The card after the page. If it fires anew in a digest that is too old to be noticed, it
        gets a message of its own.
        """
        latest, now = page[-1], self._now
        card = replace(card, fallback_for=latest.owner if latest.owner != latest.receiver else "")
        folded = fold(card, [arriving(opened) for opened in page], target.policy)
        if card.failures and fires_anew(card, folded.card):
            failures = hastened(card.failures, now)
            folded = replace(folded, card=replace(folded.card, failures=failures))
        leaves = is_old(digest, now) and fires_anew(card, folded.card)
        card = leaving(card, folded.card, target.policy)
        card = replace(card, absorbed=card.absorbed and not leaves)
        absent = self._acting.ask_for(card)
        if absent is not None:
            self._absent.append(absent)
        card = self._acting.overlaid(card, target)
        hours = hours_of(card, target, self._config, now)
        seqs = tuple(opened.seq for opened in page)
        originals, counted = _originals(seqs, folded.duplicates, card.counted_seq)
        card = replace(card, counted_seq=counted)
        change = kept(card, Situation(now, target, claim.state, hours))
        return replace(
            change,
            folded=seqs,
            duplicates=folded.duplicates,
            originals=originals,
            leaves=leaves,
        )

    def _route_again(self, opened: Open) -> None:
        """Routes an open delivery whose chat or receiver is gone by the present routes, except to
        chats that have been told of the group since. It is dead if they lead nowhere.
        """
        empty = opened.alerts == ()
        routed = () if empty else deliveries(self._config.routing, opened.notification).deliveries
        ways = [way for way in routed if way.lane != self._lane]
        how: Settlement = "merged" if ways or empty else "dead"
        routed_again = how == "merged"
        why = EndReason.ROUTED_AGAIN if routed_again else EndReason.RECEIVER_REMOVED
        self._woken += self._store.route_again(self._lease, opened.seq, ways)
        self.end(self._store.dismiss(self._lease, [opened.seq], how, why, self._now), why)

    def _supersede(self, card: Card, page: Sequence[Open]) -> None:
        """Merges the deliveries that wait for the card into the newest payload, except the oldest,
        so that what is kept for a chat that is down does not grow with time.
        """
        own = [opened for opened in page if opened.notification.group == card.group]
        told = {opened.accepted_at for opened in own if opened.alerts != ()}
        whole = [
            opened.accepted_at
            for opened in own
            if opened.notification.part == opened.notification.parts - 1
        ]
        before = max((at for at in whole if at in told), default=0.0)
        into = max((opened.seq for opened in own if opened.accepted_at == before), default=None)
        empty_before = page[-1].accepted_at
        ended = self._store.supersede(
            self._lease, card.group, card.fingerprint, before, empty_before, into, self._now
        )
        self.end(ended)

    def bring(self, claim: Claim, card: Card) -> tuple[Send | Wait, Situation | None] | None:
        """The call that the card needs, if it needs one; otherwise the decision is carried out. A
        bug in one card must not silence the others of its chat. A card that no receiver shows any
        more is removed, and its pending deliveries are open again for another turn.
        """
        target = self._config.target(self._lane, card.receiver)
        if target is None:
            self._store.unfold(self._lease, card.group, card.fingerprint)
            return Wait(self._now), None
        later = self._goes_later(claim, card, target)
        if later > self._now:
            self._store.postpone(self._lease, card.group, card.fingerprint, later)
            return None
        try:
            card, unsure = self._led_on(self._acting.overlaid(card, target), target)
            situation = self._situation(claim, card, target)
            decision = decide(card, situation)
        except Exception as error:  # noqa: BLE001 - see the docstring
            self._bugs.append(repr(error))
            later = self._now + AFTER_BUG
            self._store.postpone(self._lease, card.group, card.fingerprint, later)
            return None
        match decision:
            case Send():
                self._note(card, decision.contradicted)
                return decision, situation
            case Save(change, contradicted) | Close(change, contradicted):
                self._note(card, contradicted)
                self.end(self._store.fold(self._lease, [change], self._now))
            case Absorb():
                self._store.absorb(self._lease, decision, self._now)
            case Follow(change):
                self._store.follow(self._lease, change, self._now)
            case Wait(until=until):
                if unsure:
                    until = min(until or self._now + _LOOK_AGAIN, self._now + _LOOK_AGAIN)
                self._store.postpone(self._lease, card.group, card.fingerprint, until)
        return None

    def _led_on(self, card: Card, target: Target) -> tuple[Card, bool]:
        """The card, with the messages on which those of its alerts fire that are no longer reported
        here, and whether one of those messages is still to come.
        """
        left = tuple(entry.fingerprint for entry in card.entries if entry.status == "gone")
        if not left:
            return (replace(card, went_on=()) if card.went_on else card), False
        found: dict[str, list[str]] = {}
        unsure = False
        for alert, message in self._store.elsewhere(self._lane, card, left[:_MOST_LED]):
            unsure = unsure or message is None
            if message is not None:
                link = self._platforms[self._lane.platform].message_link(
                    message, target.endpoint.guild
                )
                found.setdefault(link, []).append(alert)
        told = tuple(WentOn(tuple(sorted(each)), link) for link, each in sorted(found.items()))
        return (card if told == card.went_on else replace(card, went_on=told)), unsure

    def _goes_later(self, claim: Claim, card: Card, target: Target) -> float:
        """Until when a card that failed lets others go: while its lane pauses, while others have
        something to do, or for some seconds after each call while a third of a budget is used up
        (but a digest, which tells what is new). So does one that has to give way to cards that
        never failed, and one that has more in common with failed cards than another waiting card.
        0.0: it may go.
        """
        state = claim.state
        if card.failures and state.down is None and state.retry_at > self._now:
            return state.retry_at
        if gives_way(card.failures, state, self._now) and self._waits_untried():
            return self._now + FIRST_PAUSE
        name = name_of(card.group, card.fingerprint)
        fails = yields(card.failures, name, state, self._now) and (
            claim.waiting > 1
            or (
                card.group != DIGEST
                and self._now < claim.called_at + URGENT_PAUSE
                and self._is_a_third_used(state, target)
            )
        )
        return self._now + _YIELDS if fails or self._is_suspected(state, card) else 0.0

    def _waits_untried(self) -> bool:
        """Whether a card that never failed waits now."""
        waiting = self._store.soon(self._lane, self._now, suspicion.COMPARED)
        return any(card.failures is None for card in waiting)

    def _is_a_third_used(self, state: LaneState, target: Target) -> bool:
        """Whether a third of a budget is used up that others would wait for: failed calls leave the
        rest to new cards.
        """
        limits = limits_of(target, state, self._config.limits, self._platforms)
        return any(
            self._store.room([limit], self._now, _MOMENT) <= limit.count - limit.count // 3
            for limit in limits
            if limit.count > 1 and limit.window > URGENT_PAUSE
        )

    def _is_suspected(self, state: LaneState, card: Card) -> bool:
        if state.down or not state.suspected or not suspicion.yields(state, card, self._now):
            return False
        others = self._store.soon(self._lane, self._now + _YIELDS, suspicion.COMPARED)
        alike = suspicion.likeness(state, card)
        return any(suspicion.likeness(state, other) < alike for other in others)

    def _situation(self, claim: Claim, card: Card, target: Target) -> Situation:
        limits = limits_of(target, claim.state, self._config.limits, self._platforms)
        urgent_room = float("inf")
        if claim.urgent > FEW:
            seconds, beside = target.policy.digest_after / URGENT_PART, claim.beside
            room = self._store.room(limits, self._now, seconds)
            urgent_room = share(room, beside.urgent, beside.urgent_lanes)
        return Situation(
            now=self._now,
            target=target,
            state=claim.state,
            hours=hours_of(card, target, self._config, self._now),
            limits=limits,
            waiting=claim.waiting,
            waiting_beside=claim.beside.waiting,
            lanes=claim.beside.lanes,
            urgent=claim.urgent,
            urgent_room=urgent_room,
            rank=claim.rank,
            lines=withheld.applied(claim.lines, card, claim.state, self._now),
            digest=card if card.group == DIGEST else self._store.card(self._lane, DIGEST, ""),
            memory=self._memory(card),
            acting=self._config.acting,
            button_key=self._store.acting.button_key() if card.acting.buttons else b"",
            wall_ahead=self._config.wall_ahead,
        )

    def _memory(self, card: Card) -> Memory:
        """The earlier episodes of the alert of a one-alert card within seven days; its severity may
        have risen since.
        """
        if not 0 < len(card.entries) <= _MOST_TWINS or not is_firing(card):
            return Memory()
        alert = card.entries[0].fingerprint
        week = self._now - EPISODES_KEPT
        return Memory(self._store.episodes(card.group.source, alert, week))

    def _note(self, card: Card, contradicted: tuple[str, str] | None) -> None:
        if contradicted:
            self._contradicted.append((card.group.group_key, *contradicted))


def _originals(
    seqs: Sequence[int], duplicates: Sequence[int], counted: int
) -> tuple[tuple[int, ...], int]:
    """For each duplicate of a page the last delivery that counted before it, and the last one that
    counts after the page; `counted` is the one before the page.
    """
    repeated = set(duplicates)
    originals: dict[int, int] = {}
    for seq in seqs:
        if seq in repeated:
            originals[seq] = counted
        else:
            counted = seq
    return tuple(originals[seq] for seq in duplicates), counted


def arriving(opened: Open) -> Arriving:
    """The delivery as its card gets it."""
    notification = opened.notification
    alerts = notification.alerts
    return Arriving(
        seq=opened.seq,
        accepted_at=opened.accepted_at,
        head=Head(
            notification.group_labels,
            notification.route_labels,
            notification.external_url,
            notification.reason,
            notification.truncated,
            notification.state,
        ),
        alerts=alerts if opened.alerts is None else tuple(alerts[at] for at in opened.alerts),
        last=notification.part == notification.parts - 1,
        whole=notification.truncated == 0,
        via="" if opened.group == notification.group else via(notification.group),
    )
