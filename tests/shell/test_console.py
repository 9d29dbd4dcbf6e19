"""The console over HTTP: each page in both languages, what guards it, and that no label becomes
markup.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay import console as pages
from relay.app import App, Options
from relay.console.forms import MOST_FORM
from relay.console.plot import HEIGHT, bars
from relay.console.sessions import SECONDS, Sessions
from relay.console.words import WORDS, language_of
from tests.acceptance.processes import payload

PAGES = (
    "/",
    "/history",
    "/history?outcome=discarded",
    "/history?labels=alertname%3DNope",
    "/explain",
    "/explain?labels=alertname%3DDisk&at=2026-11-29T23:00:00",
    "/explain?labels=oops+x",
    "/chats",
    "/templates",
    "/templates?name=discord.md.j2&payload=1",
    "/templates?payload=99",
    "/configuration",
    "/a/1",
    "/a/99",
)
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}"
CONFIG = """\
route: {{receiver: ops, routes: [{{matchers: [alertname="Noise"], receiver: blackhole}}]}}
receivers:
  - name: ops
    telegram_configs:
      - {{chat_id: -1001, bot_token: "111:canarytokencanarytokencanarytoken000", api_url: "{url}"}}
  - {{name: blackhole, discard: true}}
"""


class Running:
    """A relay with its console."""

    def __init__(self, folder: Path, **options: object) -> None:
        file = folder / "relay.yml"
        file.write_text(CONFIG.format(url="http://127.0.0.1:1"), encoding="utf-8")
        chosen = Options(file, folder / "data", port=0, console=True, **options)  # type: ignore[arg-type]
        self.app = App(chosen)
        self.url = ""

    async def start(self) -> "Running":
        self.url = f"http://{await self.app.start()}"
        return self

    async def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self.url + path, headers=headers, allow_redirects=False) as response,
        ):
            return response.status, await response.text(), dict(response.headers)

    async def post(self, path: str, **given: object) -> tuple[int, dict[str, str]]:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(self.url + path, allow_redirects=False, **given) as response,  # type: ignore[arg-type]
        ):
            return response.status, dict(response.headers)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    running = await Running(tmp_path).start()
    for name in ("Disk", "Noise", HOSTILE):
        status, _ = await running.post("/alerts", json=payload(name, "db-1"))
        assert status == 200
    yield running
    await running.app.stop()


@pytest.mark.medium
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_in_both_languages_and_runs_nothing_inline(
    path: str, relay: Running
) -> None:
    for language, words in WORDS.items():
        status, text, headers = await relay.get(path, **{"Accept-Language": language})
        assert status == (404 if path == "/a/99" else 200)
        assert f'<html lang="{language}">' in text
        assert words["history"] in text
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert text.count("<h1>") == 1
        assert not re.search(r"<style|<script(?! type=\"module\" src=)| style=| on\w+=\"", text)
        assert "canarytoken" not in text


async def test_fifty_open_pages_cost_the_store_and_the_drawing_what_one_costs(
    relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks every five seconds; a view is shared for four."""
    console, store = relay.app._console, relay.app._store
    assert console is not None
    work: list[str] = []
    for owner, name in ((console, "_draw_now"), (store, "standing_now"), (store, "open_cards")):
        done = getattr(owner, name)

        def counted(*given: object, name: str = name, done: Any = done) -> object:
            work.append(name)
            return done(*given)

        monkeypatch.setattr(owner, name, counted)
    async with aiohttp.ClientSession() as session:

        async def page() -> bytes:
            async with session.get(f"{relay.url}/") as response:
                return await response.read()

        first, *others = await asyncio.gather(*(page() for _ in range(50)))
    assert set(others) == {first}
    assert sorted(work) == ["_draw_now", "open_cards", "standing_now"]


def test_warming_up_compiles_each_page(tmp_path: Path) -> None:
    console = Running(tmp_path).app._console
    assert console is not None
    console.warm_up()
    compiled = {name for _, name in console._jinja.cache}  # type: ignore[union-attr]
    assert compiled == {
        path.name for path in (Path(pages.__file__).parent / "pages").glob("*.html")
    }


async def test_a_label_never_becomes_markup(relay: Running) -> None:
    for path in ("/", "/history", "/a/3"):
        _, text, _ = await relay.get(path)
        assert "<img" not in text
        assert "49" not in re.sub(r"\d{4}-\d\d-\d\d[ T][\d:.]+", "", text) or "{{7*7}}" in text
    assert "onerror" in (await relay.get("/a/3"))[1]


async def test_the_history_tells_what_was_discarded_and_explain_why(relay: Running) -> None:
    _, text, _ = await relay.get("/history?outcome=discarded")
    assert "leads to blackhole, which has no chat: discarded" in text
    _, text, _ = await relay.get("/explain?labels=alertname%3DNoise")
    assert "has no chat: discarded" in text
    _, text, _ = await relay.get("/history?labels=alertname%3DNope")
    assert "Nope was never heard" in text


async def tried(relay: Running, path: str, **fields: str) -> str:
    """The page that a form gets."""
    form = aiohttp.FormData(fields, default_to_multipart=True)
    async with (
        aiohttp.ClientSession() as session,
        session.post(relay.url + path, data=form) as answer,
    ):
        assert answer.status == 200
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", await answer.text())))


async def test_explain_shows_the_message_of_each_chat_as_the_alert_last_came(
    relay: Running,
) -> None:
    _, text, _ = await relay.get("/explain?labels=alertname%3DDisk")
    assert re.search(r'<article class="message telegram" aria-label="[^"]*chat -1001">', text)
    assert "firing Disk" in re.sub(r"<[^>]+>", "", text)


@pytest.mark.medium
async def test_a_template_is_tried_against_a_sample_or_a_payload_and_is_not_in_force(
    relay: Running,
) -> None:
    own = "<b>MINE</b> {{ alerts[0].labels.alertname }}"
    text = await tried(relay, "/templates", template=own, markup="html", payload="1")
    assert "MINE Disk" in text
    assert "discord" in text
    text = await tried(relay, "/templates", template=own, markup="html", sample="one")
    assert "MINE HighErrorRate" in text
    text = await tried(relay, "/templates", template="{% if %}", markup="html")
    assert "fault 1:" in text
    text = await tried(relay, "/templates", template="{{ labels.pod }}{{ 1 / 0 }}", markup="none")
    assert "fault 1:" in text
    _, page, _ = await relay.get("/explain?labels=alertname%3DDisk")
    assert "MINE" not in page


@pytest.mark.medium
async def test_a_template_that_takes_too_much_ends_alone(relay: Running) -> None:
    endless = (
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"
    )
    text = await tried(relay, "/templates", template=endless, markup="none")
    assert "fault 1:" in text or "took more time" in text
    assert (await relay.get("/"))[0] == 200


@pytest.mark.medium
async def test_a_changed_file_is_compared_by_what_came_and_not_kept(relay: Running) -> None:
    (folder,) = {Path(relay.app.options.config_file).parent}
    before = sorted(folder.iterdir())
    new = CONFIG.format(url="http://127.0.0.1:1").replace("receiver: ops,", "receiver: blackhole,")
    text = await tried(relay, "/configuration", text=new)
    assert "Compared by 3 payloads" in text
    assert "Would reach nobody" in text
    assert "lost Disk 1 " in text
    text = await tried(relay, "/configuration", text="route: {receiver: nobody}")
    assert "unknown receiver" in text or "nobody" in text
    assert sorted(folder.iterdir()) == before
    assert "ops" in relay.app.config.current.routing.targets


@pytest.mark.medium
async def test_an_uploaded_file_makes_the_relay_read_no_file(
    relay: Running, tmp_path: Path
) -> None:
    (tmp_path / "other.j2").write_text("{{ canary-of-a-file")
    named = CONFIG.format(url="http://127.0.0.1:1").replace(
        'bot_token: "111:canarytokencanarytokencanarytoken000"', "bot_token_file: /etc/hostname"
    )
    text = await tried(relay, "/configuration", text=f"templates: ['{tmp_path}/*.j2']\n{named}")
    assert "canary-of" not in text
    assert "Compared by 3 payloads" in text


async def test_forms_of_other_sites_and_large_ones_are_refused(relay: Running) -> None:
    form = aiohttp.FormData({"template": "x"}, default_to_multipart=True)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await relay.post("/templates", data=form, headers=foreign))[0] == 403
    assert (await relay.post("/templates", data={"template": "x"}))[0] == 413
    large = aiohttp.FormData({"template": "x" * MOST_FORM}, default_to_multipart=True)
    assert (await relay.post("/configuration", data=large))[0] == 413


async def test_the_chats_have_their_budgets(relay: Running) -> None:
    _, text, _ = await relay.get("/chats")
    assert re.search(r"<td>\d+/27 within 1 s, \d+/1 within 1.1 s", text), text


async def test_it_only_reads(relay: Running) -> None:
    assert (await relay.post("/history"))[0] == 405
    assert (await relay.get("/nowhere"))[0] == 404
    assert (await relay.get("/static/../relay.yml"))[0] == 404
    assert (await relay.get("/static/console.html"))[0] == 404
    for name in ("console.css", "console.js"):
        assert (await relay.get(f"/static/{name}"))[0] == 200


async def test_without_the_flag_there_is_no_console(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.app = App(Options(tmp_path / "relay.yml", tmp_path / "other", port=0))
    await running.start()
    assert (await running.get("/"))[0] == 404
    await running.app.stop()


async def test_a_bearer_logs_in_by_a_form_whose_cookie_does_not_hold_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-bearer-of-the-console")
    (tmp_path / "web.yml").write_text("bearer_token_files: [token]")
    running = await Running(tmp_path, web_config_file=tmp_path / "web.yml").start()
    status, text, headers = await running.get("/")
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert 'action="/login"' in text
    assert (await running.post("/login", data={"token": "wrong"}))[0] == 401
    foreign = {"Sec-Fetch-Site": "cross-site"}
    form = {"token": "canary-bearer-of-the-console"}
    assert (await running.post("/login", data=form, headers=foreign))[0] == 403
    assert (await running.post("/login", data={"token": "x" * 9000}))[0] == 413
    status, headers = await running.post("/login", data=form)
    cookie = headers["Set-Cookie"]
    assert status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "canary" not in cookie
    inside = {"Cookie": cookie.partition(";")[0]}
    assert (await running.get("/history", **inside))[0] == 200
    assert (await running.get("/", Authorization="Bearer canary-bearer-of-the-console"))[0] == 200
    assert (await running.get("/logout", **inside))[0] == 303
    assert (await running.get("/history", **inside))[0] == 401
    await running.app.stop()


def test_a_session_ends_by_itself() -> None:
    now = 1000.0
    sessions = Sessions(lambda: now)
    key = sessions.begin()
    assert sessions.knows(key)
    assert not sessions.knows("")
    now += SECONDS
    assert not sessions.knows(key)


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    assert language_of("de, fr-FR;q=0.9, en;q=0.8") == "fr"
    assert language_of("de") == language_of("") == "en"


def test_the_largest_bar_is_as_high_as_the_picture() -> None:
    assert [bar.height for bar in bars([0, 1, 1000, 500])] == [0.0, 1.0, HEIGHT, HEIGHT / 2]
    assert bars([]) == []
    assert [bar.height for bar in bars([0, 0])] == [0.0, 0.0]
