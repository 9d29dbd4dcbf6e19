"""The pictures of the console in docs/pictures, drawn by a browser without a window:
`.venv/bin/python -m tests.docs.console_pictures`. Some of the cases are posted to a relay whose
chats are the sandbox's.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import aiohttp

from relay.app import App, Options
from relay.sandbox.discord import Discord
from relay.sandbox.faults import Faults
from relay.sandbox.server import Sandbox
from relay.sandbox.telegram import Telegram
from tests.cases import Body, steps
from tests.docs.devtools import Browser, browser
from tests.docs.drawing import shrink
from tests.world import CHANNEL, CHAT, HOOK, HOOK_TOKEN, TOKEN

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
CASES = (
    "kps-default-grouping", "grafana-webhook", "handles-in-annotation", "watchdog",
    "no-alert-status", "snmp-two-ports",
)  # fmt: skip
PAGES = {
    "now": "/", "history": "/history", "alert": "/a/1", "chats": "/chats",
    "explain": "/explain?labels=alertname%3Dnode_down+severity%3Dcritical",
    "templates": "/templates?payload=1", "configuration": "/configuration",
}  # fmt: skip
LOOKS = ((1280, "light", "en"), (390, "dark", "fr"))
CONFIG = """\
global:
  telegram_api_url: "{url}"
  telegram_bot_token: "{token}"
  telegram_updates: none
route:
  receiver: ops
  routes:
    - matchers: [severity="critical"]
      receiver: dba
    - matchers: [alertname="Watchdog"]
      receiver: blackhole
receivers:
  - name: ops
    discord_configs:
      - webhook_url: "{url}/api/webhooks/{hook}/{hook_token}"
  - name: dba
    telegram_configs:
      - chat_id: {chat}
  - {{name: blackhole, discard: true}}
"""
_SETTLED = 12.0  # seconds after which the chats have all
_SENT = "document.querySelector('#text').value = {}; document.forms[0].submit()"


async def _draw(page: Browser, url: str, changed: str) -> None:
    for width, scheme, language in LOOKS:
        for name, path in PAGES.items():
            await page.open(url + path, width, dark=scheme == "dark", language=language)
            if name == "configuration":
                await page.evaluate(_SENT.format(json.dumps(changed)))
                await page.loaded()
            out = PICTURES / f"console-{name}-{scheme}-{width}.png"
            out.write_bytes(await page.picture())
            shrink(out)


async def main() -> None:
    """Draws all of them."""
    faults = Faults()
    telegram, discord = Telegram(faults=faults), Discord(faults=faults)
    telegram.add_bot(TOKEN, "relay_bot")
    telegram.add_chat(CHAT, "supergroup", "On call")
    discord.add_channel(CHANNEL, "alerts")
    discord.add_webhook(HOOK, HOOK_TOKEN, CHANNEL)
    sandbox = Sandbox(telegram, discord, faults, time.time)
    await sandbox.listen("127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        file = Path(folder) / "relay.yml"
        values = {"url": sandbox.url, "chat": CHAT, "token": TOKEN}
        text = CONFIG.format(**values, hook=HOOK, hook_token=HOOK_TOKEN)
        file.write_text(text, encoding="utf-8")
        app = App(Options(file, Path(folder) / "data", port=0, console=True))
        url = f"http://{await app.start()}"
        async with aiohttp.ClientSession() as session:
            for step in (step for name in CASES for step in steps(name)):
                if isinstance(step, Body):
                    body = step.at(time.time())
                    await session.post(f"{url}/alerts", data=body, headers=_JSON)
        await asyncio.sleep(_SETTLED)
        async with browser() as page:
            await _draw(page, url, text.replace("receiver: dba\n", "receiver: blackhole\n", 1))
        await app.stop()
    await sandbox.stop()


_JSON = {"Content-Type": "application/json"}

if __name__ == "__main__":
    asyncio.run(main())
