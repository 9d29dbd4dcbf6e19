"""Conversations: what each command causes and answers, for people who are known, invited, strangers
or nameless.
"""

import re
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from relay.core.bot.conversation import respond
from relay.core.bot.people import (
    MOST_TOPICS,
    ChatContext,
    ChatEntry,
    Invite,
    Subscription,
    UpdateEffects,
    hash_of,
    subscribe,
)
from relay.core.bot.update import (
    BotId,
    ChatInfo,
    Command,
    Ignored,
    Membership,
    Migrated,
    Seen,
    Topic,
    Update,
)
from relay.core.card.card import Card, Shown
from relay.core.card.fold import fold
from relay.core.card.step import MessageRef
from relay.core.routing.matcher import parse
from relay.core.text.richtext import RichText
from relay.core.text.texts import language
from relay.core.text.texts_people import PEOPLE, emit
from relay.platforms.telegram.text import write
from tests.build import GROUP, POLICY, T0, alert, arriving
from tests.platforms.automatic import found_in

BOT = BotId("http://127.0.0.1:1", "111")
ADA = ChatInfo("555", "private", "Ada")
TEAM = ChatInfo("-5", "group", "Team")
SUPER = ChatInfo("-1001234567890", "supergroup", "Team")
INVITE = Invite("i1", BOT, hash_of("token"), "DBA on call", parse('team="db"'), T0 - 60, T0 + 60, 2)
OWN = subscribe(INVITE, ADA, "", 555, "en", T0, "555")
GROUPS = replace(subscribe(INVITE, TEAM, "", 555, "", T0, "-5"), id="of a group")
SUBSCRIBED = ChatContext(BOT, subscriptions=(OWN,))
NOBODY = ChatContext(BOT)


def command(
    text: str,
    chat: ChatInfo = ADA,
    *,
    user: int = 555,
    code: str = "en",
    at: float = T0,
    topic: str = "",
) -> Command:
    name, _, argument = text.partition(" ")
    return Command(7, chat, Topic(topic), user, code, "9", at, name, argument)


def effects(update: Update, known: ChatContext = NOBODY) -> UpdateEffects:
    return respond(update, known, replace(POLICY, timezone="Europe/Paris"), T0)


def said(update: Update, known: ChatContext = NOBODY) -> str:
    return "\n\n".join(bot_reply.text.text for bot_reply in effects(update, known).bot_replies)


def answered(update: Update, known: ChatContext = NOBODY) -> RichText:
    (bot_reply,) = effects(update, known).bot_replies
    return bot_reply.text


def invited(invite: Invite = INVITE, *subscriptions: Subscription) -> ChatContext:
    return ChatContext(BOT, invite=invite, subscriptions=subscriptions)


def test_who_opens_a_link_is_subscribed_and_told_what_comes_and_how_to_stop() -> None:
    found = effects(command("start token"), invited())
    assert (found.heard, found.used, found.back) == ("command", "i1", "555")
    assert found.added == OWN
    (bot_reply,) = found.bot_replies
    assert bot_reply.text.text == (
        'You will get the alerts of “DBA on call” here: team="db"\n'
        "/mute 2h for some quiet, /stop to end it, /help for the rest."
    )
    assert (bot_reply.chat, bot_reply.message, bot_reply.user) == ("555", "9", 555)


def test_a_person_is_answered_in_their_language_and_a_group_in_the_files() -> None:
    french = effects(command("start token", code="fr-FR"), invited())
    assert french.added is not None
    assert french.added.language == "fr"
    assert french.bot_replies[0].text.text.startswith("Vous recevrez ici")
    group = effects(command("start token", TEAM, code="fr"), invited())
    assert group.added is not None
    assert (group.added.language, group.added.chat, group.added.user) == ("", "-5", 555)
    assert group.bot_replies[0].text.text.startswith("This group will get")


@pytest.mark.parametrize(
    ("text", "invite"),
    [
        ("start wrong", None),
        ("start token", replace(INVITE, expires_at=T0)),
        ("start token", replace(INVITE, used=2)),
        ("start to ken", INVITE),
        ("start " + "x" * 65, INVITE),
        ("start <b>", INVITE),
    ],
)
def test_a_link_that_is_wrong_used_up_or_expired_is_refused_in_one_way_and_counted(
    text: str, invite: Invite | None
) -> None:
    found = effects(command(text), ChatContext(BOT, invite=invite))
    assert (found.heard, found.added, found.used) == ("refused", None, "")
    assert found.bot_replies[0].text == emit("en", "invite_refused")


def test_the_same_link_again_welcomes_again_and_uses_nothing() -> None:
    found = effects(command("start token"), invited(replace(INVITE, used=2), OWN))
    assert (found.heard, found.added, found.used) == ("command", None, "")
    assert "DBA on call" in found.bot_replies[0].text.text


def test_a_second_subscription_of_a_group_that_moved_shares_its_lane() -> None:
    before = replace(GROUPS, chat=SUPER.id)
    found = effects(command("start token", SUPER), invited(replace(INVITE, id="i2"), before))
    assert found.added is not None
    assert (found.added.chat, found.added.lane) == (SUPER.id, before.lane)


@pytest.mark.parametrize("text", ["start token", "stop", "mute 2h"])
def test_who_has_no_name_may_change_nothing(text: str) -> None:
    known = replace(invited(INVITE, GROUPS))
    found = effects(command(text, TEAM, user=0), known)
    assert found == replace(found, added=None, changed=(), ended=(), used="")
    assert (found.heard, found.bot_replies[0].text) == ("refused", emit("en", "anonymous"))


@pytest.mark.parametrize("text", ["stop", "mute 2h"])
def test_only_who_brought_a_group_its_alerts_may_end_or_mute_them(text: str) -> None:
    found = effects(command(text, TEAM, user=556), ChatContext(BOT, subscriptions=(GROUPS,)))
    assert (found.heard, found.ended, found.changed) == ("refused", (), ())
    assert found.bot_replies[0].text == emit("en", "not_yours")
    own = effects(command(text, TEAM), ChatContext(BOT, subscriptions=(GROUPS,)))
    assert own.ended or own.changed


@pytest.mark.parametrize("text", ["start", "stop", "subscriptions", "mute 2h", "help", "whatever"])
def test_strangers_learn_nothing(text: str) -> None:
    found = effects(command(text))
    assert found == UpdateEffects("command", bot_replies=found.bot_replies)
    assert found.bot_replies[0].text == emit("en", "stranger")


def test_stop_ends_all_subscriptions_of_the_chat() -> None:
    found = effects(
        command("stop"), replace(SUBSCRIBED, subscriptions=(OWN, replace(OWN, id="two")))
    )
    assert found.ended == (OWN.id, "two")
    assert found.bot_replies[0].text == emit("en", "stopped")


@pytest.mark.parametrize(
    ("text", "at", "until", "answer"),
    [
        ("mute 2h", T0, T0 + 7200, "Muted until 14:06. Alerts that still fire then will be shown."),
        (
            "mute 2h",
            T0 - 3600,
            T0 + 3600,
            "Muted until 13:06. Alerts that still fire then will be shown.",
        ),
        (
            "mute 2h",
            T0 + 3600,
            T0 + 7200,
            "Muted until 14:06. Alerts that still fire then will be shown.",
        ),
        (
            "mute 2h",
            0.0,
            T0 + 7200,
            "Muted until 14:06. Alerts that still fire then will be shown.",
        ),
        ("mute 2h", T0 - 7200, 0.0, "Not muted (any more)."),
        ("mute 0", T0, 0.0, "Not muted (any more)."),
    ],
)
def test_a_mute_counts_from_when_it_was_written(
    text: str, at: float, until: float, answer: str
) -> None:
    found = effects(command(text, at=at), SUBSCRIBED)
    assert found.changed == (replace(OWN, muted_until=until),)
    assert found.bot_replies[0].text.text == answer


@pytest.mark.parametrize("text", ["mute", "mute soon", "mute 31d", "mute 5", "mute 1h please"])
def test_a_mute_that_is_not_understood_says_how(text: str) -> None:
    found = effects(command(text), SUBSCRIBED)
    assert (found.changed, found.bot_replies[0].text) == ((), emit("en", "mute_how"))


def test_subscriptions_are_listed_with_what_is_muted() -> None:
    muted = replace(OWN, id="two", name="Web", matchers=(), muted_until=T0 + 60)
    assert said(command("subscriptions"), replace(SUBSCRIBED, subscriptions=(OWN, muted))) == (
        '“DBA on call”: team="db"\n“Web”: all alerts · muted until 12:07'
    )


@pytest.mark.parametrize(
    ("update", "answer"),
    [
        (command("chatid", TEAM), "Chat id: -5"),
        (command("start", TEAM), "Chat id: -5"),
        (command("chatid", SUPER, topic="7"), "Chat id: -1001234567890\nTopic id: 7"),
        (command("chatid"), "Chat id: 555"),
        (command("chatid", TEAM, user=0), "Chat id: -5"),
        (command("subscriptions", TEAM), "No alerts are sent here by a link."),
        (command("whatever", TEAM), ""),
    ],
)
def test_a_group_learns_its_id_and_nothing_it_did_not_ask(update: Update, answer: str) -> None:
    assert said(update) == answer


def test_help_names_the_commands_of_the_place() -> None:
    group, private = said(command("help", TEAM)), said(command("help"), SUBSCRIBED)
    assert [line.split()[0] for line in group.splitlines()] == ["/chatid", "/alerts", "/help"]
    assert "/mute – quiet for a while, such as 2h" in private.splitlines()


def cards(*alerts: tuple[str, str, str]) -> tuple[Card, ...]:
    told = [alert(instance, name=name, severity=severity) for instance, name, severity in alerts]
    return (
        fold(Card(GROUP, "", "ops"), [arriving(1, T0, *told, alert("z", "resolved"))], POLICY).card,
    )


OPEN = ChatContext(
    BOT,
    cards=cards(
        ("a", "Disk", "warning"), ("b", "Disk", "warning"), ("c", "Down", "critical"), ("d", "", "")
    ),
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "alerts",
            [
                "4 alerts are open",
                "🔴 critical Down · c · since 10:00 (0\u00a0s)",
                "🟠 warning Disk ×2 · a, b · since 10:00 (0\u00a0s)",
                "🟠 unnamed alert · d · since 10:00 (0\u00a0s)",
            ],
        ),
        (
            'alerts severity="critical"',
            ["1 alert is open", "🔴 critical Down · c · since 10:00 (0\u00a0s)"],
        ),
        (
            "alerts alertname=Disk instance=b",
            ["1 alert is open", "🟠 warning Disk · b · since 10:00 (0\u00a0s)"],
        ),
        (
            'alerts alertname=~"D.*", instance!="b"',
            [
                "2 alerts are open",
                "🔴 critical Down · c · since 10:00 (0\u00a0s)",
                "🟠 warning Disk · a · since 10:00 (0\u00a0s)",
            ],
        ),
        (
            "alerts alertname=Disk, instance=a",
            ["1 alert is open", "🟠 warning Disk · a · since 10:00 (0\u00a0s)"],
        ),
        ("alerts severity=page", ["No open alert here matches."]),
        ("alerts nonsense", ["This is not a matcher: expected one of = != =~ !~ after nonsense"]),
    ],
)
def test_alerts_tells_what_the_chat_shows_as_open(text: str, answer: list[str]) -> None:
    found = said(command(text, TEAM), OPEN).splitlines()
    assert [re.sub(" · since .*", "", line) for line in found] == [
        re.sub(" · since .*", "", line) for line in answer
    ]
    assert all(" · since " in line for line in found[1:])


def test_the_name_of_an_open_alert_leads_to_its_card_where_telegram_has_an_address() -> None:
    (card,) = cards(("a", "Disk", "warning"))
    shown = Shown(MessageRef("-1001234", "", "77"), "", T0, T0)
    answer = answered(
        command("alerts", TEAM), ChatContext(BOT, cards=(replace(card, shown=shown),))
    )
    assert [span.value for span in answer.spans if span.kind == "link"][:1] == [
        "https://t.me/c/1234/77"
    ]


@pytest.mark.parametrize("text", ["help", "alerts", "mute", "start"])
def test_the_bots_own_commands_can_be_tapped_and_no_label_is_one(text: str) -> None:
    hostile = cards(("/stop", "/ban", "/mute"))
    context = replace(SUBSCRIBED, cards=hostile)
    answer = answered(command(text), context)
    written, entities = write(answer)
    found = {shown for kind, shown in found_in(written, entities) if kind.endswith("BotCommand")}
    commands = {
        answer.text[span.start : span.end] for span in answer.spans if span.kind == "command"
    }
    assert found == commands
    assert found == ({"/mute"} if text == "mute" else set()) or text in ("help", "start")


def test_where_nothing_is_open_alerts_says_so() -> None:
    assert said(command("alerts")) == "Nothing is open here."


def test_a_thousand_names_are_counted() -> None:
    many = cards(*((str(number), f"Name{number}", "info") for number in range(1000)))
    lines = said(command("alerts"), replace(OPEN, cards=many)).splitlines()
    assert (len(lines), lines[-1]) == (32, "… and 970 more")


def test_the_registry_keeps_what_it_knew_of_a_chat() -> None:
    admin = effects(Membership(7, TEAM, "administrator", writes=True))
    assert admin == UpdateEffects(
        "membership", ChatEntry(BOT, TEAM, "administrator", True, T0), back="-5"
    )
    seen = effects(
        Seen(8, replace(TEAM, title="New"), Topic("7", "db")), ChatContext(BOT, admin.entry)
    )
    assert admin.entry is not None
    assert seen.entry == replace(
        admin.entry, chat=replace(TEAM, title="New"), topics=(Topic("7", "db"),)
    )
    again = effects(Seen(9, TEAM, Topic("7")), ChatContext(BOT, seen.entry))
    assert again.entry is not None
    assert again.entry.topics == (Topic("7", "db"),)


def test_a_forum_of_a_thousand_topics_keeps_the_newest() -> None:
    entry = ChatEntry(BOT, SUPER, topics=tuple(Topic(str(number)) for number in range(MOST_TOPICS)))
    found = effects(Seen(9, SUPER, Topic("9999")), ChatContext(BOT, entry)).entry
    assert found is not None
    assert (len(found.topics), found.topics[0].id, found.topics[-1].id) == (
        MOST_TOPICS,
        "1",
        "9999",
    )


@pytest.mark.parametrize("standing", ["kicked", "left"])
@pytest.mark.parametrize(("chat", "subscription"), [(ADA, OWN), (TEAM, GROUPS)])
def test_who_blocks_the_bot_or_puts_it_out_has_unsubscribed(
    standing: str, chat: ChatInfo, subscription: Subscription
) -> None:
    update = Membership(7, chat, "kicked" if standing == "kicked" else "left", writes=False)
    found = effects(update, ChatContext(BOT, subscriptions=(subscription,)))
    assert (found.ended, found.bot_replies, found.back) == ((subscription.id,), (), "")


def test_private_chats_stand_in_no_registry() -> None:
    updates: Iterable[Update] = (
        Membership(7, ADA, "member", writes=True),
        Seen(7, ADA, Topic()),
        command("help"),
    )
    assert [effects(update).entry for update in updates] == [None, None, None]


def test_a_group_that_moves_takes_its_subscriptions_along() -> None:
    found = effects(
        Migrated(7, "-5", SUPER), ChatContext(BOT, ChatEntry(BOT, TEAM), subscriptions=(GROUPS,))
    )
    assert (found.moved, found.changed) == (("-5", SUPER.id), (replace(GROUPS, chat=SUPER.id),))
    assert found.entry == ChatEntry(BOT, SUPER, seen_at=T0)


def test_what_is_ignored_causes_nothing() -> None:
    assert effects(Ignored(7, "of another kind")) == UpdateEffects("ignored")


@pytest.mark.parametrize("key", PEOPLE)
def test_both_languages_say_the_same(key: str) -> None:
    english, french = PEOPLE[key]
    assert english
    assert french
    assert language("fr") == "fr"
    names = [
        {part.split("}")[0] for part in str(form).split("{")[1:]} for form in (english, french)
    ]
    assert names[0] == names[1]
