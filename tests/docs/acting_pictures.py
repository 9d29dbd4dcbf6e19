"""The pictures of acting from the chat in docs/pictures, drawn by the sandbox's page in a browser
without a window: `python -m tests.docs.acting_pictures [NAME...]`.

Each has Telegram at the left and Discord at the right, 360 pixels wide each, as on a narrow phone.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec.structs import replace

from relay.bot.menus import SilenceMenus
from relay.core.action.beat_notice import notification as beat_notice
from relay.core.action.heartbeat import Beat
from relay.core.action.press import Press, PressAnswer, PressEffects, SilenceChoice, SilenceMenu
from relay.core.action.pressed import ButtonData, OldData
from relay.core.action.reconcile import Reconciled, Suppressed
from relay.core.action.rights import Presser
from relay.core.action.settings import (
    ActingConfig,
    ActionConfig,
    AlertmanagerConfig,
    DiscordBot,
    Escalation,
    EscalationStep,
    HeartbeatConfig,
    Named,
    Person,
)
from relay.core.action.silence import Silencing
from relay.core.action.take import Holder, Taken
from relay.core.alert import Alert, GroupId, Labels, Notification
from relay.core.bot.account import Bot
from relay.core.bot.update import CallbackQuery, ChatInfo, Topic
from relay.core.routing.lane import HttpOptions, LaneKey
from relay.core.routing.matcher import Matcher, parse
from relay.core.secret import Secret
from relay.core.text.richtext import RichText
from relay.operate.escalations import escalate
from tests.build import POLICY, T0, alert, notification
from tests.docs.drawing import measure, page, shoot, shrink
from tests.docs.pictures import FOLDER, WIDTH
from tests.world import (
    API,
    CHAT,
    HOOK,
    TOKEN,
    AtOnce,
    World,
    discord_target,
    telegram_target,
)

ANNA, BEN = Person("Anna", "12", "343434"), Person("Ben", "13")
OPS = replace(POLICY, receiver="dba", timezone="Europe/Paris")
APPLICATION = "9000001"
WATCHDOG = HeartbeatConfig("prometheus-eu", parse('alertname="Watchdog"'), receiver="dba")
ACTING = ActingConfig(
    (ANNA, BEN),
    ActionConfig(()),
    {"": AlertmanagerConfig("", ("http://127.0.0.1:1",))},
    {
        "dba": Escalation(
            (),
            (EscalationStep(600.0, (Named(ANNA),)), EscalationStep(1500.0, receiver="leads")),
            taken_for=7200.0,
        )
    },
    (WATCHDOG,),
    DiscordBot(API, APPLICATION, Secret("t"), HttpOptions()),
)


class Night(World):
    """A group and a channel of the database administrators, where people act."""

    def __init__(self) -> None:
        self.leads = replace(OPS, receiver="leads")
        super().__init__(telegram_target(policy=OPS), discord_target(OPS))
        self.telegram.chats[CHAT].title = "DBA on call"
        self.discord.webhooks[HOOK].application = APPLICATION
        self.config.load(replace(self.config.current, acting=ACTING))
        self.presses = 0

    async def fires(
        self, at: float, name: str, *who: str, severity: str = "critical", summary: str = ""
    ) -> None:
        """A group of alerts of that name fires."""
        await self.run(at)
        await self.post(_group(name, *who, severity=severity, summary=summary))
        await self.run(at + 5.0)

    async def job(self, job: Callable[[], tuple[LaneKey, ...]]) -> None:
        for lane in await self.commit(job):
            self.wakes[lane] = self.now
        await self.run(self.now - T0 + 5.0)

    async def takes(self, name: str, who: str, holder: str = "Anna") -> None:
        key, person = _key(name, who), Holder(holder, holder)
        taken = Taken("", key, T0, person, self.now)
        answer = PressAnswer(RichText(""))
        effects = PressEffects(answer, "done", "take", (key,), (taken,))
        self.presses += 1
        press = Press(f"p{self.presses}", Presser("telegram", "12"), "", "", OldData(), self.now)
        await self.job(partial(self.store.acting.take_press, press, effects, self.now))

    async def silencing(self, name: str, who: str, **changes: object) -> None:
        asked = Silencing(
            "a1b2c3", "", "silence", Holder("Anna", "Anna"), self.now, (_key(name, who),)
        )
        await self.job(partial(self.store.acting.keep_silencing, replace(asked, **changes)))

    async def suppressed(self, name: str, who: str, why: Suppressed) -> None:
        found = Reconciled({_key(name, who): why}, ())
        await self.job(partial(self.store.acting.keep_reconciled, "", found, self.now))

    async def until(self, seconds: float) -> None:
        """Time passes, and what nobody takes escalates."""
        while self.now < T0 + seconds:
            await self.run(min(self.now - T0 + 30.0, seconds))
            done = await self.commit(partial(escalate, self.store, self.config.current, self.now))
            for lane in done.lanes:
                self.wakes[lane] = self.now
            await self.run(self.now - T0 + 0.5)

    async def menu(self, name: str, who: str) -> None:
        """Anna asks for another duration."""
        here = ChatInfo(str(CHAT), "supergroup", "DBA on call")
        message = str(self.telegram.messages(CHAT)[-1].id)
        press = self.telegram.presses(CHAT, int(message), 12, "x", at=self.now)[0]
        query = CallbackQuery(1, press.id, here, Topic(), message, 12, "Anna", "en", "x")
        own = {"alertname": name, "instance": who}
        elsewhere: tuple[Labels, ...] = tuple(
            {"alertname": name, "instance": f"other-{at}"} for at in range(3)
        )

        async def present(_source: str, _matchers: tuple[Matcher, ...]) -> tuple[Labels, ...]:
            return (own, *elsewhere)

        menus = SilenceMenus(
            self.store.acting, AtOnce(self.store), self.send, lambda: self.now,
            self.events.append, self.config, present,
        )  # fmt: skip
        choices = (
            SilenceChoice(
                "silence", tuple(Matcher(label, "=", value) for label, value in own.items()), (own,)
            ),
            SilenceChoice("group", (Matcher("alertname", "=", name),), (own,)),
        )
        bot = Bot(API, "111", Secret(TOKEN), HttpOptions(), "polling", "")
        menu = SilenceMenu("", ButtonData("menu", "card", 1), choices, 7 * 86400.0)
        assert await menus.offered(bot, query, menu)


def _key(name: str, who: str) -> str:
    return f"{name}/{who}"


def _group(name: str, *who: str, severity: str, summary: str = "") -> Notification:
    found = tuple(_alert(name, each, severity, summary) for each in who)
    group = GroupId("", "relay", f'{{}}:{{alertname="{name}"}}')
    return replace(notification(*found, group=group), group_labels={"alertname": name})


def _alert(name: str, who: str, severity: str, summary: str) -> Alert:
    found = alert(who, name=name, severity=severity)
    said = {"summary": summary} if summary else {}
    return replace(found, annotations=said, generator_url="")


LAG = "replication lag of 94 s"


async def take() -> Night:
    """Not taken, taken by two people, and with an alert that joined since."""
    night = Night()
    await night.fires(10.0, "PostgresDown", "db-1", summary="does not answer since 40 s")
    await night.fires(20.0, "ReplicationLag", "db-2", summary=LAG)
    await night.takes("ReplicationLag", "db-2")
    await night.fires(60.0, "DiskFull", "db-3", severity="warning", summary="3% left")
    await night.takes("DiskFull", "db-3", "Ben")
    await night.fires(120.0, "DiskFull", "db-3", "db-4", severity="warning", summary="3% left")
    return night


async def silence() -> Night:
    """Asked, in force, refused, without an answer, and inhibited."""
    night = Night()
    await night.fires(10.0, "PostgresDown", "db-1", summary="does not answer since 40 s")
    await night.silencing("PostgresDown", "db-1")
    await night.fires(30.0, "ReplicationLag", "db-2", summary=LAG)
    until = T0 + 3600.0
    by = Suppressed("silenced", until, "Anna", "deploy", "s1")
    await night.suppressed("ReplicationLag", "db-2", by)
    await night.fires(60.0, "DiskFull", "db-3", severity="warning", summary="3% left")
    await night.silencing("DiskFull", "db-3", id="x2", state="refused", why="wide", mutes=14)
    await night.fires(90.0, "SlowQueries", "db-4", severity="warning", summary="p99 of 8 s")
    await night.suppressed("SlowQueries", "db-4", Suppressed("inhibited", by="NodeDown node-3"))
    return night


async def menu() -> Night:
    """What `🔕 …` opens on Telegram."""
    night = Night()
    await night.fires(10.0, "ReplicationLag", "db-2", summary=LAG)
    await night.menu("ReplicationLag", "db-2")
    return night


async def escalation() -> Night:
    """Nobody takes it, it rings and mentions Anna; she takes it and is asked again."""
    night = Night()
    await night.fires(10.0, "PostgresDown", "db-1", summary="does not answer since 40 s")
    await night.until(700.0)
    await night.takes("PostgresDown", "db-1")
    await night.until(700.0 + 7300.0)
    return night


async def silence_over() -> Night:
    """A silence comes to its end while the alert fires."""
    night = Night()
    await night.fires(10.0, "ReplicationLag", "db-2", summary=LAG)
    by = Suppressed("silenced", T0 + 300.0, "Ben", "deploy", "s1")
    await night.suppressed("ReplicationLag", "db-2", by)
    await night.run(301.0)
    found = Reconciled({}, (_key("ReplicationLag", "db-2"),))
    await night.job(partial(night.store.acting.keep_reconciled, "", found, night.now))
    return night


async def heartbeat() -> Night:
    """A heartbeat is lost; a card of that source says so."""
    night = Night()
    beat = Beat("prometheus-eu", (), T0, lost_at=T0 + 360.0, told_at=T0 + 360.0)
    await night.commit(partial(night.store.acting.keep_beat, beat))
    await night.run(360.0)
    text = "NO NEWS from prometheus-eu since 12:06"
    await night.post(beat_notice(WATCHDOG, beat, text, night.now, firing=True))
    await night.run(365.0)
    await night.fires(400.0, "ReplicationLag", "db-2", summary=LAG)
    return night


SCENES: Mapping[str, Callable[[], Awaitable[Night]]] = {
    "acting-take": take,
    "acting-silence": silence,
    "acting-menu": menu,
    "acting-silence-over": silence_over,
    "acting-escalation": escalation,
    "acting-heartbeat": heartbeat,
}


async def lived(name: str) -> Night:
    return await SCENES[name]()


def draw(name: str) -> None:
    """Draw one picture."""
    night = asyncio.run(lived(name))
    del night.telegram.chats[min(night.telegram.chats)]  # the spare chat
    html = page(night.telegram, night.discord, WIDTH, wide=True)
    path = FOLDER / f"{name}.png"
    shoot(html, WIDTH, measure(html, WIDTH).height, path)
    shrink(path)


if __name__ == "__main__":
    for each in sys.argv[1:] or SCENES:
        draw(each)
