"""Notices: what operators are told of the relay itself, and how often."""

import pytest

from relay.active_config import CurrentConfig
from relay.core.active_config import ActiveConfig, Refusing
from relay.core.alert import Notification
from relay.core.card.card import Card
from relay.core.card.fold import Arriving, fold
from relay.core.event import (
    Answered,
    BotListens,
    ChatChanged,
    ChatMoved,
    ClockChanged,
    Contradicted,
    EndReason,
    Event,
    Loaded,
    RequestRefused,
    Settled,
    StorageDamaged,
    TemplateFailed,
)
from relay.core.notice import HOURLY, notice_of
from relay.core.routing.route import Route, Routing
from relay.operate.notices import Notices
from tests.build import POLICY, arriving
from tests.world import TEMPLATES

DOWN = Refusing("telegram", "dba", "relay.yml:9", "Forbidden: bot was kicked")
FAILED = TemplateFailed("team.j2", "no pod")


class Operators:
    """Notices with a clock of their own, and what they posted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[Event] = []
        self.posted: list[Notification] = []
        self.down: tuple[Refusing, ...] = ()
        config = CurrentConfig(ActiveConfig(Routing(Route("ops"), {}), TEMPLATES))
        self.notices = Notices(
            self._post, self._refusing, lambda: self.now, self.events.append, config
        )

    async def _post(self, told: Notification) -> None:
        self.posted.append(told)

    async def _refusing(self) -> tuple[Refusing, ...]:
        return self.down

    async def hear(self, event: Event) -> None:
        notice = notice_of(event)
        assert notice is not None
        await self.notices.post_once(notice)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.status, each.alerts[0].labels["alertname"]) for each in self.posted]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Answered(400, 0.1), "answered with 400"),
        (Answered(413, 0.1), "answered with 413"),
        (Answered(403, 0.1), "answered with 403"),
        (
            RequestRefused(404, "", "POST", "/alert", "10.0.0.1", stranger=False),
            "answered with 404",
        ),
        (
            ChatMoved("telegram", "dba", "relay.yml:12", "-1009"),
            "write chat_id -1009 at relay.yml:12",
        ),
        (ChatMoved("telegram", "dba", "relay.yml:12", ""), "see relay.yml:12"),
        (
            Settled("telegram", "dba", "dead", 1, why="refused"),
            "1 delivery of receiver dba cannot be",
        ),
        (
            Settled("telegram", "dba", "dead", 3, why="refused"),
            "3 deliveries of receiver dba cannot",
        ),
        (
            Settled("telegram", "dba", "expired", 1),
            "1 delivery of receiver dba waited too long and was given up",
        ),
        (
            Settled("telegram", "dba", "expired", 3),
            "3 deliveries of receiver dba waited too long and were given up",
        ),
        (
            Settled("telegram", "web", "dead", 1, why="Bad Request", lost="warning A · db-1 · eu"),
            "NOT DELIVERED to web: warning A · db-1 · eu. Bad Request; alert-relay queue list",
        ),
        (
            Loaded(ok=False, at=1.0, faults=2, first="relay.yml:3:5: unknown key"),
            "2 faults and is refused, the old one stays: relay.yml:3:5: unknown key",
        ),
        (FAILED, "team.j2 fails"),
        (Contradicted("{}", "https://a.example", "https://b.example"), "/alerts/SOURCE"),
    ],
)
async def test_what_operators_have_to_know_is_told_in_words(event: Event, words: str) -> None:
    operators = Operators()
    await operators.hear(event)
    assert words in operators.posted[0].alerts[0].annotations["summary"]


@pytest.mark.parametrize(
    "event",
    [
        Answered(200, 0.1),
        Answered(503, 0.1),
        Answered(401, 0.1, stranger=True),
        Answered(405, 0.1, method="GET"),
        RequestRefused(404, "", "POST", "/x", "8.8.8.8", stranger=True),
        RequestRefused(404, "", "GET", "/favicon.ico", "10.0.0.1", stranger=False),
        Settled("telegram", "dba", "delivered", 1),
        Settled("telegram", "dba", "dead", 1, why=EndReason.DROPPED),
        ChatChanged("telegram", "dba", up=True, why=""),
    ],
    ids=[
        "taken",
        "busy",
        "a stranger",
        "a look with a browser",
        "a stranger elsewhere",
        "a browser elsewhere",
        "delivered",
        "given up by hand",
        "one of the chats of a receiver is up again",
    ],
)
def test_what_is_no_news_is_no_notice(event: Event) -> None:
    assert notice_of(event) is None


@pytest.mark.parametrize(
    ("began", "ended"),
    [
        (ClockChanged(172_800.0), ClockChanged(0.0)),
        (
            BotListens("7", listens=False, why="Conflict", remedy="stop it"),
            BotListens("7", listens=True),
        ),
    ],
)
async def test_what_ends_is_what_began(began: Event, ended: Event) -> None:
    """It said that the clock was set by +0 s, and that a bot receives no updates without a why."""
    operators = Operators()
    for event in (began, ended):
        await operators.hear(event)
    first, last = (each.alerts[0] for each in operators.posted)
    assert (first.status, last.status) == ("firing", "resolved")
    assert first.annotations == last.annotations


async def test_the_same_notice_is_told_once_and_is_over_an_hour_after_its_last_cause() -> None:
    operators = Operators()
    for _ in range(3):
        await operators.hear(FAILED)
        operators.now += 3599
        await operators.notices.check()
    assert operators.told == [("firing", "AlertRelayTemplateFailed")]
    operators.now += 1
    await operators.notices.check()
    assert operators.told == [
        ("firing", "AlertRelayTemplateFailed"),
        ("resolved", "AlertRelayTemplateFailed"),
    ]


async def test_what_an_earlier_run_told_is_over_an_hour_after_the_start_of_this_one() -> None:
    operators, earlier = Operators(), Operators()
    await earlier.hear(FAILED)
    cards = [
        fold(Card(told.group, "", "ops"), [_arriving(told)], POLICY).card for told in earlier.posted
    ]
    operators.notices.start(cards)
    operators.now += HOURLY - 1
    await operators.notices.check()
    assert operators.told == []
    operators.now += 1
    await operators.notices.check()
    await operators.notices.stop()
    assert operators.told == [("resolved", "AlertRelayTemplateFailed")]
    (over,), (begun,) = operators.posted, earlier.posted
    assert (over.group, over.alerts[0].fingerprint) == (begun.group, begun.alerts[0].fingerprint)
    assert over.alerts[0].annotations == begun.alerts[0].annotations
    assert over.alerts[0].starts_at == begun.alerts[0].starts_at


def _arriving(told: Notification) -> Arriving:
    return arriving(1, told.alerts[0].starts_at, *told.alerts)


async def test_a_chat_that_is_down_is_one_notice_with_the_line_of_its_entry_until_it_is_up() -> (
    None
):
    operators = Operators()
    operators.down = (DOWN,)
    for _ in range(3):
        await operators.notices.check()
        operators.now += 10 * HOURLY
    (told,) = operators.posted
    words = "Forbidden: bot was kicked: receiver dba on telegram takes no messages; see relay.yml:9"
    assert told.alerts[0].annotations["summary"] == words
    operators.down = ()
    await operators.notices.check()
    assert operators.told == [("firing", "AlertRelayChatDown"), ("resolved", "AlertRelayChatDown")]
    assert operators.posted[0].group == operators.posted[1].group


@pytest.mark.parametrize("down", [True, False])
async def test_what_an_earlier_run_told_of_a_chat_holds_as_long_as_the_chat_is_down(
    down: bool,
) -> None:
    operators, earlier = Operators(), Operators()
    earlier.down = (DOWN,)
    await earlier.notices.check()
    operators.down = (DOWN,) if down else ()
    cards = [
        fold(Card(told.group, "", "ops"), [_arriving(told)], POLICY).card for told in earlier.posted
    ]
    operators.notices.start(cards)
    await operators.notices.check()
    await operators.notices.stop()
    assert operators.told == ([] if down else [("resolved", "AlertRelayChatDown")])


async def test_listening_never_waits_however_much_happens() -> None:
    operators = Operators()
    for number in range(1000):
        operators.notices.on_event(TemplateFailed(f"{number}", "why"))
    assert operators.posted == []


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        (StorageDamaged("/data/old", "corrupt"), "critical"),
        (Settled("telegram", "web", "dead", 1, lost="critical A", urgent=True), "critical"),
        (Settled("telegram", "web", "dead", 1, lost="warning A"), "warning"),
        (Loaded(ok=False, at=1.0, faults=1), "warning"),
        (FAILED, "warning"),
    ],
)
async def test_a_notice_is_as_severe_as_what_it_tells_of(event: Event, severity: str) -> None:
    operators = Operators()
    await operators.hear(event)
    assert operators.posted[0].alerts[0].labels["severity"] == severity


async def test_a_chat_that_is_down_is_critical_and_says_which_when_it_is_over() -> None:
    operators = Operators()
    operators.down = (DOWN,)
    await operators.notices.check()
    operators.down = ()
    await operators.notices.check()
    down, up = (told.alerts[0] for told in operators.posted)
    assert down.labels["severity"] == "critical"
    assert up.annotations["summary"] == (
        "receiver dba on telegram takes messages again; it was: Forbidden: bot was kicked"
    )


async def test_each_critical_alert_that_is_lost_is_told_of_and_of_others_one_an_hour() -> None:
    operators = Operators()
    for name in ("A", "B", "A"):
        await operators.hear(
            Settled("telegram", "web", "dead", 1, lost=f"critical {name}", urgent=True)
        )
        await operators.hear(Settled("telegram", "web", "dead", 1, lost=f"warning {name}"))
    told = [each.alerts[0].annotations["summary"] for each in operators.posted]
    assert [text.partition(". ")[0] for text in told] == [
        "NOT DELIVERED to web: critical A",
        "NOT DELIVERED to web: warning A",
        "NOT DELIVERED to web: critical B",
    ]


async def test_a_refused_configuration_is_over_with_the_next_good_one_and_else_not_told() -> None:
    operators = Operators()
    good, bad = Loaded(ok=True, at=1.0, faults=0), Loaded(ok=False, at=1.0, faults=1, first="x")
    for event in (good, bad, bad, good, good):
        await operators.hear(event)
    assert operators.told == [
        ("firing", "AlertRelayConfigRefused"),
        ("resolved", "AlertRelayConfigRefused"),
    ]
