"""A relay with a Telegram beside it, for tests of what people and chats do: stopped and started as
often as wanted.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from relay.app import App, Options
from relay.core.balance import BalanceRow
from relay.core.bot.people import Invite, Subscription, hash_of
from relay.core.bot.update import BotId
from relay.core.event import Event, Heard, Noted
from relay.core.routing.matcher import parse
from relay.sandbox.rates import Window
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram_chats import Chat
from tests.acceptance.processes import until
from tests.build import T0, alert

TOKEN, GROUP, UPGRADED, ADA, EVE = "111:sandboxtoken", -5, -1000000000006, 555, 666
PUBLIC = "https://relay.example.org"


@dataclass
class Lived:
    """A relay that can be stopped and started, beside chats that go on. `write` makes its file."""

    sandbox: Sandbox
    folder: Path
    port: int = field(default=0, kw_only=True)
    events: list[Event] = field(default_factory=list, kw_only=True)
    app: App | None = field(default=None, kw_only=True)
    address: str = field(default="", kw_only=True)

    @property
    def running(self) -> App:
        assert self.app is not None
        return self.app

    def write(self) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        self.write()
        options = Options(self.folder / "relay.yml", self.folder / "data", port=self.port)
        self.app = App(options, (self.events.append,))
        self.address = await self.app.start()

    async def stop(self) -> None:
        if self.app:
            await self.app.stop()
        self.app = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def send(self, group: str, status: str, alerts: list[dict[str, object]]) -> None:
        """Posts a payload as Alertmanager does."""
        body = {
            "version": "4", "receiver": "relay", "status": status, "groupKey": f"{{}}:{group}",
            "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0,
            "alerts": alerts,
        }  # fmt: skip
        if labels := self.group_labels(alerts):
            body["groupLabels"] = labels
        url = f"http://{self.address}/alerts"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            assert response.status == 200, await response.text()

    def group_labels(self, _alerts: list[dict[str, object]]) -> dict[str, str]:
        """What the group is made by."""
        return {}

    def texts(self, chat: int) -> list[str]:
        return (
            [message.text for message in self.sandbox.telegram.messages(chat)]
            if self.knows(chat)
            else []
        )

    def knows(self, chat: int) -> bool:
        return chat in self.sandbox.telegram.chats


def posted(
    labels: dict[str, str], status: str, fingerprint: str, **more: object
) -> dict[str, object]:
    """An alert of a payload."""
    over = "2026-11-19T02:50:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "status": status, "labels": labels, "annotations": {}, "generatorURL": "",
        "startsAt": "2026-11-19T02:40:00Z", "endsAt": over, "fingerprint": fingerprint, **more,
    }  # fmt: skip


@dataclass
class Life(Lived):
    """A relay whose bot people write to."""

    mode: str = "polling"
    rates: str = ""
    language: str = "en"

    @property
    def bot(self) -> BotId:
        return BotId(self.sandbox.url, "111")

    def write(self) -> None:
        (self.folder / "relay.yml").write_text(f"""\
global:
  telegram_api_url: "{self.sandbox.url}"
  telegram_bot_token: "{TOKEN}"
  telegram_updates: {self.mode}
  telegram_webhook_url: {PUBLIC}
  notices_receiver: nobody
  language: {self.language}
limits: {{telegram: {{{self.rates}}}}}
route: {{receiver: ops}}
receivers: [{{name: ops, telegram_configs: [{{chat_id: {GROUP}}}]}}, {{name: nobody}}]
""")

    async def start(self) -> None:
        await super().start()
        self.sandbox.handlers[PUBLIC] = f"http://{self.address}"

    async def invite(
        self, token: str = "token", uses: int = 1, expires_at: float = T0 * 2
    ) -> Invite:
        matchers = parse('severity="critical"')
        found = Invite(
            token, self.bot, hash_of(token), "DBA on call", matchers, T0, expires_at, uses
        )
        await self.running._writer.run(lambda: self.running._store.people.create_invite(found))
        return found

    async def post(
        self,
        *instances: str,
        status: str = "firing",
        name: str = "Disk",
        severity: str = "critical",
    ) -> None:
        told = [
            alert(each, "resolved" if status == "resolved" else "firing", severity=severity)
            for each in instances
        ]
        await self.send(
            name,
            status,
            [
                posted(
                    each.labels | {"alertname": name},
                    each.status,
                    f"{name} {each.fingerprint}",
                    annotations=each.annotations,
                )
                for each in told
            ],
        )

    async def reads(self, chat: int, *wanted: str) -> None:
        """Waits until the chat's messages are as many as wanted and each holds its words."""

        def as_wanted() -> bool:
            texts = self.texts(chat)
            return len(texts) == len(wanted) and all(
                words in text for words, text in zip(wanted, texts, strict=True)
            )

        try:
            await until(f"{chat} reads {wanted}", as_wanted)
        except AssertionError as error:
            error.add_note(json.dumps(self.texts(chat), ensure_ascii=False, indent=1))
            error.add_note("\n".join(str(each) for each in self.events[-20:]))
            raise

    async def shows(self, chat: int, *wanted: str) -> None:
        """Waits until each of the words stands in some message of the chat."""
        await until(
            f"{chat} shows {wanted}",
            lambda: all(any(words in text for text in self.texts(chat)) for words in wanted),
        )

    async def subscriptions(self) -> tuple[Subscription, ...]:
        return await self.running._writer.run(self.running._store.people.subscriptions)

    async def chats(self) -> dict[str, str]:
        found = await self.running._writer.run(self.running._store.people.chats)
        return {each.chat.id: f"{each.chat.kind} {each.standing}" for each in found}

    async def at_rest(self) -> bool:
        return not any(row.pending for row in await self.running.balance())

    async def books(self) -> dict[str, BalanceRow]:
        rows = await self.running.balance()
        assert all(row.lost == 0 for row in rows), rows
        return {row.receiver: row for row in rows}

    def heard(self, sort: str) -> int:
        return sum(isinstance(event, Heard) and event.sort == sort for event in self.events)

    async def deliver(self) -> list[int]:
        return await self.sandbox.deliver(TOKEN)


@asynccontextmanager
async def life(
    sandbox: Sandbox,
    folder: Path,
    mode: str = "polling",
    rates: str = "bot: 1000/1s, chat: 100/1s, group: 1000/60s",
) -> AsyncIterator[Life]:
    sandbox.telegram.add_bot(TOKEN, "relay_bot")
    sandbox.telegram.add_chat(GROUP, "group", "On call")
    sandbox.telegram.add_chat(ADA, "private", "Ada")
    here = Life(sandbox, folder, mode, rates)
    await here.start()
    try:
        yield here
        errors = [
            event for event in here.events if isinstance(event, Noted) and event.level == "error"
        ]
        assert errors == []
    finally:
        if here.app:
            await here.app.stop()


def hurry(chat: Chat) -> None:
    """The chat takes messages as fast as they come, so that the test need not wait."""
    chat.pace = chat.minute = Window(1000, 1.0)
