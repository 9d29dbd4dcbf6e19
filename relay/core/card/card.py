"""A card: the message that shows one alert group (or one alert) in one chat, as the chat shows it
and as it should.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.episode import ShownAlert
from relay.core.action.escalation import ActingReply
from relay.core.action.marks import NO_MARKS, ActingMarks
from relay.core.action.reconcile import Presence
from relay.core.alert import GroupId, Labels
from relay.core.card.failures import Failures
from relay.core.card.severity import rank
from relay.core.card.step import MessageRef, ReplyKind
from relay.core.card.view import Change, Round, ShownStatus, WentOn

_ORDER = {"firing": 0, "gone": 1, "resolved": 2}


class Entry(Struct, frozen=True, omit_defaults=True):
    """One alert of a card. Times are Unix seconds; `starts_at` 0.0 is unknown.

    `seen` is the acceptance of the last payload that listed it. `absent_since`: a whole payload did
    not list it; after the hold it is gone. `held_since`: it was posted as firing after its resolve;
    after the hold it fires. `returned`: it is reported again after it was gone. `via`: the group
    that reported it last (hashed), if that is not the card's. `unproven`: its absence follows from
    a first notification alone. `joined_seq` is the delivery that brought its episode to the card, 0
    if unknown. `given` is its sender's fingerprint, if that is different. `thing`: alerts with the
    same value have one line in the chat (`thing_key`). `follows`: the alert of the same identity
    whose episode it continues.
    """

    fingerprint: str
    status: ShownStatus
    labels: Labels
    annotations: Labels
    generator_url: str
    starts_at: float
    ends_at: float | None
    joined_at: float
    seen: float
    absent_since: float | None = None
    held_since: float | None = None
    by: str = ""
    held_by: str = ""
    returned: bool = False
    via: str = ""
    unproven: bool = False
    joined_seq: int = 0
    given: str = ""
    thing: str = ""
    follows: str = ""

    @property
    def severity(self) -> str:
        """The `severity` label as it is, or an empty string."""
        return self.labels.get("severity", "")


class Shown(Struct, frozen=True):
    """The message in the chat. `mark` is the state that it shows, as `mark` computes it."""

    message: MessageRef
    mark: str
    posted_at: float
    edited_at: float


class OwedReply(Struct, frozen=True):
    """A reply that is due. `about` are fingerprints, `since` is the acceptance of the payload that
    caused it. `required`: it is sent even if the budget is short; other replies are then left to
    the edit. `said` is the text of an escalation, or of a silence that is over.
    """

    kind: ReplyKind
    about: tuple[str, ...]
    since: float
    required: bool = False
    said: ActingReply | None = None


class Head(Struct, frozen=True):
    """The values of the whole group in its latest payload."""

    group_labels: Labels = {}
    route_labels: Labels = {}
    external_url: str = ""
    reason: str = ""
    truncated: int = 0
    state: int = 0


class Withheld(Struct, frozen=True, omit_defaults=True):
    """What a digest knows of its texts that do not pass, by checksums of their words: those that
    the chat has `taken`; those `refused`, which failed twice by themselves and are not tried again
    before `again_at` (Unix seconds), after so many `times`; those `doubted`, which failed once.
    `passed`: the last call got through, so the next one tries `batch` of the other texts (0: all).
    """

    taken: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    doubted: tuple[int, ...] = ()
    passed: bool = False
    batch: int = 0
    again_at: float = 0.0
    times: int = 0


class Storm(Struct, frozen=True, omit_defaults=True):
    """What a digest remembers of its storm, Unix seconds: when more cards last waited than the chat
    takes, the same for urgent ones, when it last made a sound, and when it last let a card have a
    message of its own; and what it withholds.
    """

    pressed_at: float = 0.0
    urgent_at: float = 0.0
    rung_at: float = 0.0
    followed_at: float = 0.0
    withheld: Withheld | None = None


class Card(Struct, frozen=True, omit_defaults=True):
    """The wanted state of one group in one chat, and what the chat shows of it.

    `waiting_since` is the acceptance of the oldest delivery that the chat does not show yet.
    `counted_at` is that of the last payload that was no duplicate, `counted_via` the group that
    brought it, if that is not the card's; `counted_seq` is its delivery. `doubt`: a post may be in
    the chat without the relay knowing. `plain`: the platform refused the markup. `refused`: the
    mark of the state that it refused even without markup, or that the operator gave up. `previous`
    is the message of the round before this one. `announced`: this round was told, so a message in
    place of a lost one makes no sound. `listed`: the whole list was sent as a file in this round.
    `absorbed`: the lane's digest tells of it, and it makes no call of its own. `storm` is set if
    the card is a digest. `text` is a hash of the annotations when a payload last counted,
    `refreshed` is how often a repeat brought others. `fallback_for`: the receiver whose chat could
    not be reached, if this is a fallback's card.

    `shown_seq`: the delivery up to which the message shows the card; a press belongs to that state.
    `failures` are the failed calls for it since the last one that got through, `tried_at` is when
    the last call ended, whatever its outcome. `acting` is what people and Alertmanager did about
    its alerts; `escalated_at`: the time at which it last said that nobody takes them. `left` is the
    webhook's message that showed it before the bot took over.
    """

    group: GroupId
    fingerprint: str
    receiver: str
    head: Head = Head()
    entries: tuple[Entry, ...] = ()
    folded_seq: int = 0
    shown: Shown | None = None
    shown_seq: int = 0
    owed: tuple[OwedReply, ...] = ()
    change: Change = "fired"
    waiting_since: float | None = None
    counted_at: float = 0.0
    heard_at: float = 0.0
    stale: bool = False
    closed_at: float | None = None
    rounds: tuple[Round, ...] = ()
    previous: MessageRef | None = None
    doubt: bool = False
    plain: bool = False
    refused: str = ""
    listed: bool = False
    announced: bool = False
    absorbed: bool = False
    storm: Storm | None = None
    text: str = ""
    refreshed: int = 0
    fallback_for: str = msgspec.field(name="stands_for", default="")  # its name in stored bodies
    failures: Failures | None = None
    tried_at: float = 0.0
    counted_via: str = ""
    counted_seq: int = 0
    acting: ActingMarks = NO_MARKS
    escalated_at: float = 0.0
    went_on: tuple[WentOn, ...] = ()
    left: MessageRef | None = None


def shown_alerts(card: Card) -> tuple[ShownAlert, ...]:
    """The alerts of the card in the form that acting uses."""
    return tuple(
        ShownAlert(
            entry.labels,
            entry.starts_at,
            entry.status == "firing",
            entry.joined_seq,
            entry.seen,
            entry.fingerprint,
        )
        for entry in card.entries
    )


def mark(card: Card) -> str:
    """A hash of everything that a reader can tell from the card: two cards with equal marks need no
    edit between them.

    Annotations are left out on purpose: a change of them alone is shown with the next edit, at the
    latest with that of a repeat (`refreshed`). So is the loss of a heartbeat, which would edit many
    cards at once.
    """
    visible = [(e.fingerprint, e.status, e.starts_at, e.ends_at) for e in card.entries]
    told: tuple[object, ...] = (visible, card.stale, card.head.truncated, len(card.rounds))
    told = (*told, card.refreshed) if card.refreshed else told
    told = (*told, card.went_on) if card.went_on else told
    acting = replace(card.acting, lost=None) if card.acting.lost else card.acting
    state = msgspec.json.encode(told if acting == NO_MARKS else (*told, acting))
    return blake2b(state, digest_size=12).hexdigest()


def text(card: Card) -> str:
    """A hash of the annotations of the card's alerts."""
    told = [
        (entry.fingerprint, sorted(entry.annotations.items()))
        for entry in card.entries
        if entry.annotations
    ]
    return blake2b(msgspec.json.encode(sorted(told)), digest_size=12).hexdigest()


def is_firing(card: Card) -> bool:
    """Whether at least one alert of the card fires."""
    return any(entry.status == "firing" for entry in card.entries)


def is_live(card: Card) -> bool:
    """Whether at least one alert of the card fires and the card is not stale."""
    return is_firing(card) and not card.stale


def fires_anew(before: Card, after: Card) -> bool:
    """Whether an alert fires in `after` that does not in `before`."""
    fired = {entry.fingerprint for entry in before.entries if entry.status == "firing"}
    return any(
        entry.status == "firing" and entry.fingerprint not in fired for entry in after.entries
    )


def status(card: Card) -> ShownStatus:
    """`firing` if any alert fires, else `resolved` if any was resolved, else `gone`."""
    statuses = {entry.status for entry in card.entries}
    return (
        "firing"
        if "firing" in statuses
        else "resolved"
        if "resolved" in statuses or not statuses
        else "gone"
    )


def urgency(entry: Entry) -> tuple[int, int, float, str]:
    """Sort key: firing before gone before resolved, then by severity, then the oldest first."""
    return (_ORDER[entry.status], rank(entry.severity), entry.starts_at, entry.fingerprint)


def is_held(card: Card) -> bool:
    """Whether something is held: an alert that may be gone, or may fire after all."""
    return any(
        (entry.absent_since is not None and not is_suppressed(card, entry))
        or entry.held_since is not None
        for entry in card.entries
    )


def is_suppressed(card: Card, entry: Entry) -> bool:
    """Whether Alertmanager has the alert and says that it is suppressed. That counts as a
    report.
    """
    return entry.status == "firing" and entry.fingerprint in card.acting.silent


def is_taken(card: Card) -> bool:
    """Whether each firing alert of the card is taken."""
    return bool(card.acting.taken) and not card.acting.untaken


def overlaid(
    card: Card, acting: ActingMarks, now: float, presences: Mapping[str, Presence] | None = None
) -> Card:
    """The card with `acting` as it is at `now`. An alert that was suppressed until now may be
    absent for some time: Alertmanager notifies of it with the next flush of its group. `presences`
    are Alertmanager's answers about alerts that left a list, by fingerprint.
    """
    if acting == card.acting and not presences:
        return card
    freed, found = set(card.acting.silent) - set(acting.silent), presences or {}
    entries = tuple(
        _asked_for(_freed(entry, now) if entry.fingerprint in freed else entry, found)
        for entry in card.entries
    )
    return replace(card, entries=entries, acting=acting)


def _freed(entry: Entry, now: float) -> Entry:
    if entry.absent_since is None:
        return entry
    return replace(entry, absent_since=now, unproven=True)


def _asked_for(entry: Entry, presences: Mapping[str, Presence]) -> Entry:
    """The entry after an answer that is newer than its last report. An alert that Alertmanager has
    counts as reported; one absence proves as little as a first notification, and a second one
    proves the end.
    """
    presence = presences.get(entry.fingerprint)
    if presence is None or entry.status != "firing" or presence.since <= entry.seen:
        return entry
    since = entry.absent_since
    match presence.state:
        case "left":
            return entry
        case "present":
            is_newer = since is not None and since <= presence.since
            return replace(entry, absent_since=None, unproven=False) if is_newer else entry
        case "absent":
            return replace(entry, absent_since=since or presence.since, unproven=True)
        case "gone":
            began = min(since or presence.since, presence.since)
            return replace(entry, absent_since=began, unproven=False)


def owing(card: Card, said: ActingReply | None, keys: Iterable[str]) -> Card:
    """The card with the replies that an escalation owes, in place of earlier ones of that kind."""
    others = tuple(reply for reply in card.owed if reply.kind != "escalated")
    if said is None:
        return card if others == card.owed else replace(card, owed=others)
    owed = OwedReply("escalated", tuple(keys), said.at, required=True, said=said)
    return replace(card, owed=(*others, owed))


def is_untold(card: Card) -> bool:
    """Whether the card has no message, not even in a digest, and needs none: it ended before its
    route ceased to be muted.
    """
    return (
        card.shown is None
        and not card.absorbed
        and not is_firing(card)
        and card.waiting_since is None
    )


def is_refused(card: Card) -> bool:
    """Whether its present state will not be shown: the platform takes it in no form, or the
    operator gave it up.
    """
    return card.refused != "" and card.refused == mark(card)


def is_settled(card: Card) -> bool:
    """Whether the chat shows all there is to show, and nothing is held."""
    if not card.entries:
        return True
    shown = card.shown is not None and card.shown.mark == mark(card)
    return shown and not card.owed and not is_held(card)


def rest(card: Card, now: float) -> Card:
    """The card, no longer waiting once the chat shows all of it, and closed if nothing of it fires
    either.

    A state that will not be shown counts as shown: its digest told of it, it ended while muted, or
    it was refused.
    """
    untold = card.absorbed or (card.shown is None and not is_firing(card)) or is_refused(card)
    if not is_settled(card) and not (untold and card.waiting_since is None and not is_held(card)):
        return card
    closed = card.closed_at if card.closed_at is not None else now
    return replace(card, waiting_since=None, closed_at=None if is_firing(card) else closed)
