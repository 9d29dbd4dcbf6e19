"""What every store engine must do for people and chats, as laws over whole transactions."""

import msgspec
from msgspec.structs import replace

from relay.core.alert import Alert
from relay.core.bot.people import BotReply, ChatEntry, Invite, UpdateEffects, hash_of, subscribe
from relay.core.bot.update import BotId, ChatInfo, Command, Migrated, PollState, Seen, Topic
from relay.core.budget import Block, Limit
from relay.core.card.card import Card, Shown, mark
from relay.core.card.fold import fold
from relay.core.card.lane_state import Down, LaneState
from relay.core.card.step import MessageRef, Post
from relay.core.routing.lane import LaneKey
from relay.core.routing.matcher import parse
from relay.core.routing.route import SUBSCRIPTION, Delivery
from relay.core.text.richtext import RichText
from relay.core.turn.change import AttemptResult, CardChange
from relay.store.people import BOT_REPLY_SECONDS
from relay.store.protocol import Attempt, Begun, Denied, NewPayload, Store
from tests.build import GROUP, POLICY, T0, alert, arriving, notification
from tests.store.conftest import Reopen
from tests.store.held import begin, own, settle

BOT = BotId("http://127.0.0.1:1", "111")
OTHER = BotId("http://127.0.0.1:1", "112")
ADA = ChatInfo("555", "private", "Ada")
TEAM = ChatInfo("-5", "group", "Team")
SUPER = ChatInfo("-1001234567890", "supergroup", "Team")
INVITE = Invite("i1", BOT, hash_of("token"), "DBA on call", parse('team="db"'), T0, T0 + 60, 2)
OWN = subscribe(INVITE, ADA, "", 555, "en", T0, "555")
GROUPS = subscribe(INVITE, TEAM, "", 555, "", T0, "-5")
SAYING = BotReply("555", "", "9", 555, RichText("hello"))
LIMITS = (Limit("chat", 1, 1.1), Limit("group", 4, 60.0))


def take(store: Store, number: int = 7, bot: BotId = BOT, **effects: object) -> tuple[LaneKey, ...]:
    return store.people.take_update(bot, number, replace(UpdateEffects("seen"), **effects), T0)


def arrive(store: Store, lane: LaneKey, *alerts: Alert) -> tuple[LaneKey, ...]:
    posted = notification(*alerts)
    deliveries = (Delivery(lane, SUBSCRIPTION, "", None),) if alerts else ()
    body = msgspec.json.encode(posted)
    return store.accept([NewPayload(posted.group, body, T0, deliveries)]).lanes


def show(store: Store, lane: LaneKey, *, due: float | None = None) -> Card:
    """Folds what is open on the lane into a card that the chat shows and that fires."""
    claim = store.claim(own(store, lane), T0, 10)
    card = Card(GROUP, "", SUBSCRIPTION, folded_seq=claim.page[-1].seq)
    card = replace(card, shown=Shown(MessageRef(lane.chat, "", "7"), mark(card), T0, T0))
    store.fold(
        own(store, lane),
        [CardChange(card, due, urgent=False, folded=tuple(each.seq for each in claim.page))],
    )
    return card


def learn(store: Store, lane: LaneKey, state: LaneState) -> None:
    card = Card(GROUP, "", SUBSCRIPTION)
    settle(store, AttemptResult(lane, state, CardChange(card, None, urgent=False), T0))


def state_of(store: Store, lane: LaneKey) -> LaneState:
    return store.claim(own(store, lane), T0, 0).state


def dead(store: Store) -> int:
    return sum(row.dead for row in store.balance() if row.receiver == SUBSCRIPTION)


def test_how_far_a_bot_has_listened_is_kept_with_what_it_heard(store: Store) -> None:
    assert store.people.poll_state(BOT) == PollState()
    take(store, 7)
    store.people.keep_webhook(BOT, "https://relay.example.org/telegram/111")
    take(store, 8, added=OWN)
    assert store.people.poll_state(BOT) == PollState(
        9, T0, "https://relay.example.org/telegram/111"
    )
    assert store.people.poll_state(OTHER) == PollState()
    assert store.people.subscriptions() == (OWN,)


def test_a_job_that_fails_keeps_neither_the_number_nor_the_effects(store: Store) -> None:
    def job() -> None:
        take(store, 7, added=OWN, bot_replies=(SAYING,))
        raise ValueError

    store.batch([job])
    assert (
        store.people.poll_state(BOT),
        store.people.subscriptions(),
        store.people.bot_replies(),
    ) == (
        PollState(),
        (),
        (),
    )


def test_everything_is_there_after_a_restart(reopen: Reopen) -> None:
    first = reopen()
    entry = ChatEntry(BOT, TEAM, topics=(Topic("7", "db"),))
    first.batch(
        [lambda: first.people.create_invite(INVITE), lambda: take(first, added=OWN, entry=entry)]
    )
    first.batch([lambda: take(first, 8, bot_replies=(SAYING,))])
    second = reopen()
    again = second.people
    assert (again.invites(), again.subscriptions(), again.chats()) == ((INVITE,), (OWN,), (entry,))
    assert [each.bot_reply for each in again.bot_replies()] == [SAYING]
    assert again.poll_state(BOT).next_update == 9
    second.close()


def test_chats_are_restored_where_none_is_known_and_with_their_topics_where_one_is(
    store: Store,
) -> None:
    known = ChatEntry(BOT, SUPER, "left", seen_at=T0, topics=(Topic("8", ""), Topic("9", "web")))
    take(store, entry=known)
    before = (Topic("7", "db"), Topic("8", "net"), Topic("9", "www"))
    other = ChatEntry(OTHER, TEAM, topics=before)
    assert (
        store.people.restore_chats([replace(known, standing="member", topics=before), other]) == 1
    )
    merged = (Topic("7", "db"), Topic("8", "net"), Topic("9", "web"))
    assert store.people.chats() == (replace(known, topics=merged), other)
    assert store.people.restore_chats([other]) == 0


def test_how_far_a_bot_has_listened_is_restored_where_it_has_not_since(store: Store) -> None:
    take(store, 11, BOT)
    for bot in (BOT, OTHER):
        store.people.restore_poll_state(
            bot, PollState(9, T0 - 60, "https://relay.example.org/telegram/111")
        )
    assert store.people.poll_state(BOT) == PollState(
        12, T0, "https://relay.example.org/telegram/111"
    )
    assert store.people.poll_state(OTHER) == PollState(
        9, T0 - 60, "https://relay.example.org/telegram/111"
    )


def start(token: str) -> Command:
    return Command(7, ADA, Topic(), 555, "en", "9", T0, "start", token)


def test_an_invitation_is_found_by_its_token_at_its_own_bot_alone(store: Store) -> None:
    store.people.create_invite(INVITE)
    assert store.people.known(BOT, start("token")).invite == INVITE
    assert store.people.known(BOT, start("other")).invite is None
    assert store.people.known(OTHER, start("token")).invite is None
    assert store.people.known(BOT, replace(start("token"), name="stop")).invite is None


def test_an_invitation_counts_who_came_until_it_is_revoked(store: Store) -> None:
    store.people.create_invite(INVITE)
    take(store, used="i1")
    take(store, 8, used="i1")
    assert store.people.invites() == (replace(INVITE, used=2),)
    assert store.people.revoke_invite("i1")
    assert not store.people.revoke_invite("i1")
    assert store.people.invites() == ()


def test_a_month_after_it_expired_an_invitation_is_forgotten(store: Store) -> None:
    store.people.create_invite(INVITE)
    store.people.create_invite(replace(INVITE, id="i2", hash="2", created_at=T0 + 86400))
    store.people.create_invite(
        replace(INVITE, id="i3", hash="3", created_at=T0 + 31 * 86400, expires_at=T0 + 40 * 86400)
    )
    assert [invite.id for invite in store.people.invites()] == ["i3"]


def test_what_is_known_is_of_this_bot_and_this_chat(store: Store) -> None:
    take(store, added=OWN, entry=ChatEntry(BOT, TEAM))
    take(store, 8, added=GROUPS)
    assert store.people.known(BOT, start("x")).subscriptions == (OWN,)
    assert store.people.known(BOT, Seen(9, TEAM, Topic())).subscriptions == (GROUPS,)
    assert store.people.known(BOT, Seen(9, TEAM, Topic())).entry == ChatEntry(BOT, TEAM)
    assert store.people.known(BOT, Migrated(9, "-5", SUPER)).subscriptions == (GROUPS,)
    assert store.people.known(OTHER, start("x")).subscriptions == ()


def test_a_chat_s_open_cards_are_found_by_its_own_and_its_learnt_id(store: Store) -> None:
    lane = replace(GROUPS.lane, thread="7")
    asked = Command(9, TEAM, Topic(), 555, "", "9", T0, "alerts", "")
    arrive(store, lane, alert("a"))
    shown = show(store, lane)
    assert store.people.known(BOT, asked).cards == ()  # nothing of it fires
    firing = fold(replace(shown, folded_seq=0), [arriving(1, T0, alert("a"))], POLICY).card
    store.fold(own(store, lane), [CardChange(firing, None, urgent=False)])
    assert store.people.known(BOT, asked).cards == (firing,)
    assert store.people.known(BOT, replace(asked, topic=Topic("7"))).cards == (firing,)
    assert store.people.known(BOT, replace(asked, topic=Topic("8"))).cards == ()
    assert store.people.known(BOT, replace(asked, chat=SUPER)).cards == ()
    assert store.people.known(BOT, replace(asked, name="help")).cards == ()
    take(store, moved=("-5", SUPER.id))
    assert store.people.known(BOT, replace(asked, chat=SUPER)).cards == (firing,)


def test_a_group_that_moved_is_reached_at_its_new_id(store: Store) -> None:
    arrive(store, GROUPS.lane, alert("a"))
    take(store, added=GROUPS, entry=ChatEntry(BOT, TEAM))
    moved = replace(GROUPS, chat=SUPER.id)
    take(store, 8, moved=("-5", SUPER.id), changed=(moved,), entry=ChatEntry(BOT, SUPER))
    assert state_of(store, GROUPS.lane).chat == SUPER.id
    assert store.people.subscriptions() == (moved,)
    assert store.people.chats() == (ChatEntry(BOT, SUPER),)


def test_a_chat_that_is_back_may_be_called_at_once(store: Store) -> None:
    arrive(store, OWN.lane, alert("a"))
    learn(store, OWN.lane, LaneState(down=Down("blocked", T0 - 60, None)))
    assert take(store, back="556") == ()
    assert take(store, 8, back="555") == (OWN.lane,)
    assert state_of(store, OWN.lane).down == Down("blocked", T0 - 60, T0)


def test_a_muted_subscription_has_its_cards_looked_at(store: Store) -> None:
    arrive(store, OWN.lane, alert("a"))
    show(store, OWN.lane, due=T0 + 600)
    take(store, added=OWN)
    muted = replace(OWN, muted_until=T0 + 60)
    assert take(store, 8, changed=(muted,)) == (OWN.lane,)
    assert store.claim(own(store, OWN.lane), T0, 10).next_due == T0
    assert store.people.subscriptions() == (muted,)


def test_what_is_pending_ends_with_its_subscription_and_nothing_follows(store: Store) -> None:
    take(store, added=OWN)
    arrive(store, OWN.lane, alert("a"))
    show(store, OWN.lane)
    arrive(store, OWN.lane, alert("a"), alert("b"))
    assert dead(store) == 0
    assert store.people.end_subscriptions([OWN.id, "unknown"]) == (OWN,)
    assert dead(store) == 2
    assert arrive(store, OWN.lane) == ()
    assert all(row.lost == 0 and row.pending == 0 for row in store.balance())
    assert store.people.end_subscriptions([OWN.id]) == ()


def test_a_lane_that_another_subscription_uses_goes_on(store: Store) -> None:
    other = subscribe(replace(INVITE, id="i2"), ADA, "", 555, "en", T0, "555")
    take(store, added=OWN)
    take(store, 8, added=other)
    arrive(store, OWN.lane, alert("a"))
    assert store.people.end_subscriptions([OWN.id]) == (OWN,)
    assert (dead(store), store.people.subscriptions()) == (0, (other,))


def test_the_fallen_are_those_whose_chat_is_down(store: Store) -> None:
    take(store, added=OWN)
    take(store, 8, added=GROUPS)
    arrive(store, OWN.lane, alert("a"))
    arrive(store, GROUPS.lane, alert("a"))
    down = Down("bot was blocked by the user", T0, None, left=True)
    learn(store, OWN.lane, LaneState(down=down))
    assert store.people.fallen() == ((OWN, down),)


def test_an_answer_goes_once_while_alerts_leave_half_of_the_budgets(store: Store) -> None:
    for number in range(3):
        take(store, 7 + number, bot_replies=(SAYING,))
    first, second, third = (each.id for each in store.people.bot_replies())
    assert store.people.take_bot_reply(first, LIMITS, T0) == "go"
    assert (
        store.people.take_bot_reply(second, LIMITS, T0 + 1) == "later"
    )  # of the chat's one a second
    assert store.people.take_bot_reply(second, LIMITS, T0 + 2) == "go"
    assert (
        store.people.take_bot_reply(third, LIMITS, T0 + 4) == "later"
    )  # half of the group's are alerts' alone
    assert [each.id for each in store.people.bot_replies()] == [third]
    assert store.people.take_bot_reply(third, LIMITS, T0 + BOT_REPLY_SECONDS + 1) == "dropped"
    assert store.people.bot_replies() == ()


def test_no_answer_goes_before_an_alert_that_waits(store: Store) -> None:
    take(store, bot_replies=(SAYING,))
    (waiting,) = store.people.bot_replies()
    assert isinstance(
        begin(store, Attempt(OWN.lane, GROUP, "", Post(silent=False)), LIMITS[:1], T0 - 1), Begun
    )
    denied = begin(store, Attempt(GROUPS.lane, GROUP, "", Post(silent=False)), LIMITS[:1], T0 - 0.5)
    assert isinstance(denied, Denied)
    assert store.people.take_bot_reply(waiting.id, LIMITS, denied.until) == "later"
    assert isinstance(
        begin(store, Attempt(GROUPS.lane, GROUP, "", Post(silent=False)), LIMITS[:1], denied.until),
        Begun,
    )


def test_no_answer_goes_while_the_platform_forbids_it(store: Store) -> None:
    take(store, bot_replies=(SAYING,))
    (waiting,) = store.people.bot_replies()
    store.people.block([Block(("chat",), T0, 30)])
    assert store.people.take_bot_reply(waiting.id, LIMITS, T0 + 29) == "later"
    assert store.people.take_bot_reply(waiting.id, LIMITS, T0 + 30) == "go"


def test_a_flood_of_commands_fills_nothing(store: Store) -> None:
    take(store, bot_replies=(SAYING,) * 1000)
    assert len(store.people.bot_replies()) == 200
