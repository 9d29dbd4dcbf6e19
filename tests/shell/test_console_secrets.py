"""A crawl of the console: no page, and no answer to a form, holds a secret of the configuration."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest

from relay.app import App, Options
from tests.acceptance.processes import payload

CANARY = re.compile("(?i)canary")
CONFIG = """\
global:
  telegram_api_url: http://127.0.0.1:1
  telegram_updates: polling
  telegram_bot_token: >-
    1000001:canary_canary_canary_of_many
  http_config: {proxy_url: "http://user:canary-password@127.0.0.1:3128"}
alertmanagers:
  - urls: ["http://127.0.0.1:1"]
    http_config: {authorization: {credentials: canary-credentials}}
  - source: other
    urls: ["http://127.0.0.1:1"]
    http_config:
      basic_auth: {username: relay, password: canary-of-basic-auth}
      http_headers: {X-Key: {secrets: [canary-in-a-header, "canary-in-another"]}}
route:
  receiver: ops
  routes: [{matchers: [alertname="Noise"], receiver: dba}]
receivers:
  - name: ops
    telegram_configs: [{chat_id: -1001}, {chat_id: -1002, bot_token_file: token}]
  - name: dba
    discord_configs:
      - webhook_url: "http://127.0.0.1:1/api/webhooks/123/canary_of_a_webhook_in_the_file"
      - webhook_url_file: hook
"""
FILES = {
    "token": "1000002:canary_canary_canary_of_a_file",
    "hook": "http://127.0.0.1:1/api/webhooks/124/canary_of_a_webhook_in_a_file",
}


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "relay.yml").write_text(CONFIG, encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    app = App(Options(tmp_path / "relay.yml", tmp_path / "data", port=0, console=True))
    url = f"http://{await app.start()}"
    async with aiohttp.ClientSession() as session:
        for name in ("Disk", "Noise"):
            async with session.post(f"{url}/alerts", json=payload(name, "db-1")) as answer:
                assert answer.status == 200
    yield url
    await app.stop()


@pytest.mark.medium
async def test_no_page_holds_a_secret(url: str) -> None:
    seen: set[str] = set()
    left = ["/", "/explain?labels=alertname%3DNoise", "/explain?labels=alertname%3DDisk",
            "/templates?payload=1", "/a/1", "/a/2"]  # fmt: skip
    async with aiohttp.ClientSession() as session:
        while left:
            path = left.pop()
            if path in seen:
                continue
            seen.add(path)
            async with session.get(url + path) as answer:
                text = await answer.text()
            assert answer.status == 200, path
            assert CANARY.search(text) is None, (path, _around(text))
            found = (unescape(each) for each in re.findall(r'(?:href|src)="(/[^"]*)"', text))
            left += [each for each in found if each not in seen]
        for broken in (CONFIG, CONFIG.replace("route:", "rout:"), CONFIG.replace("ops", "x", 1),
                       CONFIG.replace("credentials:", "credential:"),
                       CONFIG.replace("secrets:", "secret:"), CONFIG + "  - ]"):  # fmt: skip
            form = aiohttp.FormData({"text": broken}, default_to_multipart=True)
            async with session.post(f"{url}/configuration", data=form) as answer:
                text = await answer.text()
            assert answer.status == 200
            assert CANARY.search(text) is None, _around(text)
    for page in ("/history", "/chats", "/configuration", "/templates", "/static/console.js"):
        assert page in seen
    assert "/static/console.css" in seen


async def test_the_file_is_shown_with_its_secrets_starred_out(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/configuration") as answer:
        text = unescape(await answer.text())
    assert 'routes: [{matchers: [alertname="Noise"], receiver: dba}]' in text
    assert re.search(r"authorization: \{credentials: \*+\}", text)
    assert re.search(r"webhook_url: \*+", text)


def _around(text: str) -> str:
    found = CANARY.search(text)
    return text[max(0, found.start() - 100) : found.end() + 50] if found else ""
