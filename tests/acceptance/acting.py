"""A relay that people act in from a Telegram group and a Discord channel, beside a local
Alertmanager: stopped and started as often as wanted.
"""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.core.alert import alert_key
from relay.core.event import Noted
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram_updates import Query
from tests.acceptance.life import Lived, hurry, posted
from tests.acceptance.processes import until
from tests.gateway_sandbox import GatewaySandbox, SandboxInteraction
from tests.twin_alertmanager import TwinAlertmanager

TOKEN, CHAT, SPARE = "111:sandboxtoken", -1001, -1002
DISCORD_USER, CHANNEL, APPLICATION = "555555555555", 7777777, "9000001"
DISCORD_TOKEN = f"{urlsafe_b64encode(DISCORD_USER.encode()).decode().rstrip('=')}.AAAAAA.{'b' * 27}"
HOOK, HOOK_TOKEN = 22222222, "hooktoken"
ANNA, BEN, EVE = 12, 13, 99  # Anna and Ben may do all, Eve may only take
ANNA_ON_DISCORD = "343434343434"
ACTIONS = """\
people:
  - {name: Anna, telegram: 12, discord: "343434343434"}
  - {name: Ben, telegram: 13}
actions:
  rules:
    - {who: [Anna, Ben], may: [take, silence]}
    - {who: [everyone], may: [take]}
"""


@dataclass
class Acting(Lived):
    """A relay, two Telegram groups, a Discord channel of its bot, and one Alertmanager: the twin,
    or those whose addresses `twin_url` has, with spaces between.
    """

    gateway: GatewaySandbox
    twin: TwinAlertmanager
    discord_url: str
    twin_url: str
    actions: str = ACTIONS
    more: str = ""
    escalate: str = ""
    interactions: str = "gateway"
    chat: int = CHAT
    discord: str = f'channel_id: "{CHANNEL}"'
    poll: str = "1s"
    has_alertmanager: bool = True

    @property
    def webhook(self) -> str:
        """A webhook of the channel, as the configuration names it."""
        return f'webhook_url: "{self.discord_url}/api/webhooks/{HOOK}/{HOOK_TOKEN}"'

    def write(self) -> None:
        urls = json.dumps(self.twin_url.split())
        peer = f'{{source: "", urls: {urls}, poll_interval: {self.poll}}}'
        peers = f"alertmanagers: [{peer}]" if self.has_alertmanager else ""
        (self.folder / "relay.yml").write_text(f"""\
global:
  telegram_api_url: "{self.sandbox.url}"
  telegram_bot_token: "{TOKEN}"
  telegram_updates: polling
  discord_api_url: "{self.discord_url}/api/v10"
  discord_bot_token: "{DISCORD_TOKEN}"
  discord_interactions: {self.interactions}
  notices_receiver: nobody
limits:
  telegram: {{bot: 1000/1s, chat: 100/1s, group: 1000/60s}}
  discord: {{webhook: 1000/1s, channel: 1000/1s, address: 1000/1s}}
{peers}
{self.actions}
{self.more}
route:
  receiver: ops
receivers:
  - name: ops
    telegram_configs: [{{chat_id: {self.chat}}}]
    discord_configs: [{{{self.discord}}}]
{self.escalate}
  - name: leads
    telegram_configs: [{{chat_id: {SPARE}}}]
  - name: nobody
""")

    async def post(
        self,
        *pods: str,
        name: str = "Crash",
        status: str = "firing",
        group: str = "",
        **labels: str,
    ) -> None:
        alerts: list[dict[str, object]] = []
        for pod in pods:
            own = {"alertname": name, "severity": "critical", "pod": pod, "namespace": "shop"}
            own |= labels
            if status == "firing" and own not in self.twin.alerts:
                self.twin.alerts.append(own)
            elif status != "firing" and own in self.twin.alerts:
                self.twin.alerts.remove(own)
            alerts.append(posted(own, status, alert_key(own)))
        await self.send(group or name, status, alerts)

    def group_labels(self, alerts: list[dict[str, object]]) -> dict[str, str]:
        labels = alerts[0]["labels"]
        return {"alertname": labels["alertname"]} if isinstance(labels, dict) else {}

    def channel(self) -> str:
        return self.sandbox.discord.transcript(CHANNEL)

    async def shows(self, *wanted: str, absent: str = "\0") -> None:
        """Waits until the newest message of the group and the channel say all of it."""

        def both() -> bool:
            texts = self.texts(self.chat)
            return bool(texts) and all(
                all(words in text for words in wanted) and absent not in text
                for text in (texts[-1], self.channel())
            )

        try:
            await until(f"both show {wanted}", both)
        except AssertionError as error:
            error.add_note(json.dumps([self.texts(self.chat), self.channel()], ensure_ascii=False))
            error.add_note("\n".join(str(each) for each in self.events[-20:]))
            raise

    def buttons(self) -> dict[str, str]:
        """The buttons of the group's newest message: their data by label."""
        message = self.sandbox.telegram.messages(self.chat)[-1]
        rows = (message.shown.markup or {}).get("inline_keyboard", [])
        assert isinstance(rows, list)
        return {each["text"]: each["callback_data"] for row in rows for each in row}

    def channel_buttons(self) -> dict[str, str]:
        """The same of the channel's newest message."""
        newest = self.sandbox.discord.messages(CHANNEL)[-1:]
        rows: list[Any] = [row for message in newest for row in message.shown.components]
        return {each["label"]: each["custom_id"] for row in rows for each in row["components"]}

    def begin_press(self, label: str, user: int = ANNA) -> Query:
        """Somebody presses in the group; the press waits to be fetched."""
        message = self.sandbox.telegram.messages(CHAT)[-1]
        (query,) = self.sandbox.telegram.presses(
            CHAT, message.id, user, self.buttons()[label], at=self.sandbox.clock()
        )
        return query

    async def press(self, label: str, user: int = ANNA) -> str:
        """Somebody presses in the group, and reads this."""
        query = self.begin_press(label, user)
        await until(f"{label} is answered", lambda: query.answer is not None)
        return query.answer or ""

    async def press_in_channel(self, label: str, user: str = ANNA_ON_DISCORD) -> SandboxInteraction:
        """Somebody presses in the channel."""
        message = self.sandbox.discord.messages(CHANNEL)[-1]
        is_bots = message.webhook not in (HOOK,)
        handed = await self.gateway.press(
            self.channel_buttons()[label],
            str(message.id),
            user,
            channel=str(CHANNEL),
            author=DISCORD_USER if is_bots else str(HOOK),
        )
        await until(f"{label} is answered", lambda: handed.answer is not None)
        return handed

    @property
    def silences(self) -> list[str]:
        """The comments of the silences that are in force."""
        now = self.twin.now
        found = self.twin.cluster.silences.values()
        return [each.comment for each in found if each.state(now) == "active"]


@asynccontextmanager
async def acting(
    sandbox: Sandbox, folder: Path, **changes: str | bool | int
) -> AsyncIterator[Acting]:
    """All of it, running."""
    telegram, discord = sandbox.telegram, sandbox.discord
    telegram.add_bot(TOKEN, "relay_bot")
    for chat, title in ((CHAT, "On call"), (SPARE, "Leads")):
        hurry(telegram.add_chat(chat, "supergroup", title))
    discord.add_channel(CHANNEL, "alerts")
    discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
    discord.add_bot(DISCORD_TOKEN, int(DISCORD_USER), int(APPLICATION))
    gateway = GatewaySandbox(DISCORD_TOKEN, sandbox.clock)
    twin = TwinAlertmanager(sandbox.clock)
    twin.started_at -= 3600.0

    async def calls(request: web.Request) -> web.Response:
        reply = discord.handle(
            request.method, request.path, request.query, request.headers, await request.read(),
            sandbox.clock(),
        )  # fmt: skip
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    application = gateway.app()
    application.router.add_route("*", "/api/{rest:.*}", calls)
    servers = TestServer(application), TestServer(twin.app())
    for server in servers:
        await server.start_server()
    here, there = (str(server.make_url("/")).rstrip("/") for server in servers)
    gateway.url = here
    found = Acting(sandbox, folder, gateway, twin, here, there)
    for name, value in changes.items():
        setattr(found, name, value)
    await found.start()
    try:
        yield found
        errors = [e for e in found.events if isinstance(e, Noted) and e.level == "error"]
        assert errors == []
    finally:
        await found.stop()
        await gateway.cut()
        await asyncio.gather(*(server.close() for server in servers))
