"""Subscriptions as routing: one more delivery for whoever asked, muted or in force, and what ends
it.
"""

import pytest
from msgspec.structs import replace

from relay.core.bot.account import Bot
from relay.core.bot.people import (
    Invite,
    Subscription,
    catalogue_language,
    hash_of,
    subscribe,
    subscribers,
)
from relay.core.bot.update import (
    SILENCE,
    BotId,
    ChatInfo,
    PollState,
    Seen,
    Topic,
    further,
    is_new,
    offset,
)
from relay.core.card.card import Card
from relay.core.card.hours import hours_at
from relay.core.routing.lane import HttpOptions, LaneKey
from relay.core.routing.matcher import parse
from relay.core.routing.route import SUBSCRIPTION, Route, Routing, deliveries
from relay.core.secret import Secret
from tests.build import GROUP, POLICY, T0, TELEGRAM, alert, notification, target

BOT = BotId(TELEGRAM.api, "111")
CONFIGURED = Bot(BOT.api, "111", Secret("111:secret"), HttpOptions(), "polling", "")
ADA = ChatInfo("555", "private", "Ada")
INVITE = Invite(
    "i1", BOT, hash_of("token"), "DBA on call", parse('severity="critical"'), T0, T0 + 60, 1
)
PERSONAL = replace(POLICY, receiver=SUBSCRIPTION)


def subscription(chat: str = "555", matchers: str = 'severity="critical"') -> Subscription:
    invite = replace(INVITE, matchers=parse(matchers))
    return subscribe(invite, replace(ADA, id=chat), "", 555, "fr", T0, chat)


def routing(*subscriptions: Subscription, bots: tuple[Bot, ...] = (CONFIGURED,)) -> Routing:
    found = subscribers(subscriptions, bots, PERSONAL)
    return Routing(Route("ops"), {"ops": (target(),)}, found)


def chats(here: Routing, severity: str) -> list[tuple[str, str]]:
    routed = deliveries(here, notification(alert("a", severity=severity)))
    return [(delivery.lane.chat, delivery.receiver) for delivery in routed.deliveries]


def test_a_subscription_is_one_more_delivery_for_what_matches() -> None:
    here = routing(subscription())
    assert chats(here, "critical") == [("-1001", "ops"), ("555", SUBSCRIPTION)]
    assert chats(here, "warning") == [("-1001", "ops")]


def test_alerts_that_differ_only_in_what_a_subscriber_looks_at_are_told_apart() -> None:
    here = routing(subscription(matchers='instance="b"'))
    routed = deliveries(here, notification(alert("a"), alert("b")))
    assert [(each.lane.chat, each.alerts) for each in routed.deliveries] == [
        ("-1001", None),
        ("555", (1,)),
    ]


def test_two_subscriptions_of_a_chat_are_one_delivery() -> None:
    here = routing(subscription(), subscription(matchers='alertname="Disk"'))
    assert chats(here, "critical") == [("-1001", "ops"), ("555", SUBSCRIPTION)]


def test_where_the_tree_leads_to_the_same_chat_its_receiver_counts() -> None:
    here = routing(subscription(chat="-1001"))
    assert chats(here, "critical") == [("-1001", "ops")]


def test_what_only_a_subscriber_takes_is_not_discarded() -> None:
    here = replace(routing(subscription()), targets={"ops": ()})
    assert deliveries(here, notification(alert("a", severity="critical"))).discarded == ()
    assert [each.alerts for each in deliveries(here, notification(alert("a"))).discarded] == [(0,)]


def test_a_subscription_rests_while_its_bot_is_not_configured() -> None:
    assert routing(subscription(), bots=()).subscriptions == ()


def test_the_language_is_the_persons_and_else_the_files() -> None:
    own, other = routing(subscription(), replace(subscription(), language="")).subscriptions
    assert (own.target.policy.language, other.target.policy.language) == ("fr", "en")


def test_a_muted_chat_gets_nothing_until_the_mute_ends() -> None:
    (muted,) = routing(replace(subscription(), muted_until=T0 + 60)).subscriptions
    here, card = routing(), Card(GROUP, "", SUBSCRIPTION)

    def judged(now: float) -> tuple[bool, float | None]:
        found = hours_at(here, {}, card, muted.target.lane, muted.target.policy, now)
        return found.muted, found.until

    assert judged(T0 + 59) == (True, T0 + 60)
    assert judged(T0 + 60) == (False, None)


def test_a_lane_keeps_its_name_when_its_group_has_moved() -> None:
    moved = replace(subscription(chat="-5"), chat="-1000000000005")
    assert moved.lane == LaneKey("telegram", BOT.api, "111", "-5")


def test_the_same_invitation_gives_the_same_chat_the_same_subscription() -> None:
    assert subscription().id == subscription().id != subscription(chat="556").id


@pytest.mark.parametrize(
    ("code", "language"),
    [("fr", "fr"), ("fr-CA", "fr"), ("en-GB", "en"), ("fra", ""), ("de", ""), ("", "")],
)
def test_the_app_s_language_is_spoken_if_the_catalogue_has_it(code: str, language: str) -> None:
    assert catalogue_language(code) == language


def test_updates_are_taken_once_and_in_order() -> None:
    poll_state = PollState(next_update=7, heard_at=T0)
    taken = [is_new(Seen(number, ADA, Topic()), poll_state, T0 + 60) for number in (5, 6, 7, 8)]
    assert taken == [False, False, True, True]


def test_after_a_week_of_silence_numbers_may_begin_anew() -> None:
    poll_state = PollState(next_update=7, heard_at=T0)
    assert (offset(poll_state, T0 + 60), offset(poll_state, T0 + 7 * 86400)) == (7, 0)
    assert is_new(Seen(3, ADA, Topic()), poll_state, T0 + 7 * 86400)


@pytest.mark.parametrize(
    ("own", "found", "after"),
    [
        (PollState(), PollState(9, T0, "https://a"), PollState(9, T0, "https://a")),
        (
            PollState(0, 0.0, "https://b"),
            PollState(9, T0, "https://a"),
            PollState(9, T0, "https://b"),
        ),
        (PollState(12, T0 + 60), PollState(9, T0), PollState(12, T0 + 60)),
        (PollState(8, T0 + 60), PollState(9, T0), PollState(9, T0 + 60)),
        (PollState(3, T0 + SILENCE + 1), PollState(9, T0), PollState(3, T0 + SILENCE + 1)),
        (PollState(9, T0), PollState(3, T0 + SILENCE + 1), PollState(3, T0 + SILENCE + 1)),
    ],
    ids=[
        "nothing",
        "only a webhook",
        "further",
        "less far",
        "numbers began anew",
        "they did in what is found",
    ],
)
def test_of_two_records_of_a_bot_the_further_counts_unless_the_numbers_began_anew(
    own: PollState, found: PollState, after: PollState
) -> None:
    assert further(own, found) == after
