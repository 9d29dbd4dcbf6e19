"""A chat that is down, as metrics and notices tell of it: by what the storage holds, however the
chat is mended.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.app import App, Options
from relay.core.active_config import ActiveConfig, Refusing
from relay.core.card.lane_state import Down
from relay.core.event import Event, Settled
from relay.core.routing.route import SUBSCRIPTION, Route, Routing, Subscriber
from relay.sandbox.server import Sandbox
from tests.acceptance.processes import fetch, until
from tests.build import DISCORD, POLICY, TELEGRAM, target
from tests.world import TEMPLATES

TOKEN, RENEWED = "111:sandboxtoken", "111:renewedtoken"
OPS, DBA, NOWHERE = -1001, -1002, -1009
HOOK, HOOK_TOKEN, CHANNEL = 222, "hooktoken", 333
REFUSED = Down("kicked", 1000.0, None)


class Place:
    """A relay beside a Telegram: `ops` gets the alerts at a chat to be chosen, `dba` the notices in
    a good one.
    """

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.events: list[Event] = []
        sandbox.telegram.add_bot(TOKEN, "relay_bot")
        sandbox.telegram.add_chat(OPS, "supergroup", "Ops")
        sandbox.telegram.add_chat(DBA, "supergroup", "DBA")
        sandbox.discord.add_channel(CHANNEL, "alerts")
        sandbox.discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
        self.app: App | None = None
        self.address = ""

    def configure(self, entry: str, token: str = TOKEN) -> None:
        (self.folder / "relay.yml").write_text(
            f'global: {{telegram_api_url: "{self.sandbox.url}", telegram_bot_token: "{token}",\n'
            "  notices_receiver: dba}\n"
            "route: {receiver: ops}\n"
            f"receivers:\n- name: ops\n  {entry}\n- "
            f"{{name: dba, telegram_configs: [{{chat_id: {DBA}}}]}}\n"
        )

    @staticmethod
    def telegram(chat: int) -> str:
        return f"telegram_configs: [{{chat_id: {chat}}}]"

    def discord(self, hook: int) -> str:
        return (
            f"discord_configs: [{{webhook_url: "
            f'"{self.sandbox.url}/api/webhooks/{hook}/{HOOK_TOKEN}"}}]'
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        app = App(
            Options(self.folder / "relay.yml", self.folder / "data", port=0), (self.events.append,)
        )
        self.address = await app.start()
        yield app
        await app.stop()

    async def post(self) -> None:
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": "Disk"},
                "startsAt": "2026-11-22T10:00:00Z",
            }
        ]
        assert (await fetch("POST", f"http://{self.address}/alerts", {"alerts": alerts}))[0] == 200

    async def up(self) -> dict[str, str]:
        """What the scrape says of each destination, by `platform receiver`."""
        _, text = await fetch("GET", f"http://{self.address}/metrics")
        lines = [
            line for line in text.splitlines() if line.startswith("alert_relay_destination_up{")
        ]
        return {
            line.split("{")[1].split("}")[0].replace('"', ""): line.split()[-1] for line in lines
        }

    async def ops(self, value: str) -> None:
        async def said() -> bool:
            return [
                up for name, up in (await self.up()).items() if name.endswith("receiver=ops")
            ] == [value]

        await until(f"the metric says {value}", said)

    def notices(self) -> list[str]:
        return [message.text for message in self.sandbox.telegram.messages(DBA)]

    async def delivered(self) -> None:
        await until("it is delivered", lambda: any(is_delivered(event) for event in self.events))


def is_delivered(event: Event) -> bool:
    return isinstance(event, Settled) and (event.receiver, event.settlement) == ("ops", "delivered")


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Place:
    return Place(sandbox, tmp_path)


@pytest.mark.medium
@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_a_chat_that_is_mended_by_another_in_its_place_is_up_and_its_notice_is_over(
    place: Place, platform: str
) -> None:
    bad, good = {
        "telegram": (place.telegram(NOWHERE), place.telegram(OPS)),
        "discord": (place.discord(HOOK + 1), place.discord(HOOK)),
    }[platform]
    place.configure(bad)
    async with place.running() as app:
        await place.post()
        await place.ops("0.0")
        await until(
            "operators are told",
            lambda: any("takes no messages" in text for text in place.notices()),
        )
        place.configure(good)
        assert await app.reload() == ()
        await place.delivered()
        await place.ops("1.0")
        await app._notices.check()
        await until(
            "the notice is over", lambda: any("resolved" in text for text in place.notices())
        )


@pytest.mark.medium
async def test_a_chat_is_down_after_a_restart_as_before_it_and_up_when_another_secret_mends_it(
    place: Place,
) -> None:
    place.configure(place.telegram(OPS))
    place.sandbox.telegram.kick(OPS)
    async with place.running():
        await place.post()
        await place.ops("0.0")
        await until(
            "operators are told",
            lambda: any("takes no messages" in text for text in place.notices()),
        )
    async with place.running():
        await place.ops("0.0")
    place.sandbox.telegram.chats[OPS].refusal = ""
    place.sandbox.telegram.add_bot(RENEWED, "relay_bot")
    place.configure(place.telegram(OPS), RENEWED)
    async with place.running():
        await place.delivered()
        await place.ops("1.0")
        await until(
            "the notice is over", lambda: any("resolved" in text for text in place.notices())
        )


def test_a_lane_that_is_down_concerns_every_receiver_that_has_it_now_but_no_subscriber() -> None:
    here = {
        name: replace(target(policy=replace(POLICY, receiver=name)), place=f"{name}:1")
        for name in ("ops", "dba")
    }
    person = Subscriber((), target(policy=replace(POLICY, receiver=SUBSCRIPTION)))
    routing = Routing(
        Route("ops"), {name: (each,) for name, each in here.items()}, subscriptions=(person,)
    )
    lanes = ((TELEGRAM, REFUSED), (DISCORD, REFUSED))
    assert ActiveConfig(routing, TEMPLATES).refusing(lanes) == (
        Refusing("telegram", "ops", "ops:1", "kicked"),
        Refusing("telegram", "dba", "dba:1", "kicked"),
    )


def test_a_chat_with_another_secret_than_the_one_it_refused_is_not_known_to_be_down() -> None:
    here = target()
    active = ActiveConfig(Routing(Route("ops"), {"ops": (here,)}), TEMPLATES)
    refused = [replace(REFUSED, secret=mark) for mark in (here.endpoint.secret.mark, "another")]
    assert [len(active.refusing([(TELEGRAM, down)])) for down in refused] == [1, 0]
