"""The console's pages: one handler, which reads a frozen view from the store for each."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relay.active_config import CurrentConfig
from relay.config.fault import render as draw_fault
from relay.console.drawn import DrawnMessage
from relay.console.forms import form_of, labels_of, moment_of, place_of
from relay.console.plot import HEIGHT, WIDTH, Bar, bars
from relay.console.sessions import COOKIE, SECONDS, Sessions
from relay.console.views import Seen, Views
from relay.console.words import WORDS, language_of
from relay.console.workshop import Workshop
from relay.core.history import OUTCOMES, DeliveryTrace, HistoryRow, Trace, outcome_of, outcomes_of
from relay.core.routing.explain import explain, reached
from relay.core.told_history import Place, age, chain, never_came, time_of, told
from relay.inbound.auth import Auth
from relay.inbound.peers import is_own_host
from relay.operate.paced import Paced
from relay.platforms.contract import Platforms
from relay.store.history import (
    ChatStatus,
    HistoryPage,
    HistoryQuery,
    OpenCard,
    RelayStatus,
)
from relay.store.protocol import Store
from relay.store.writer import Transactions

T = TypeVar("T")
_HERE = Path(__file__).parent / "pages"
_ROWS = 100
_LOOKED_FOR = 0.1  # seconds for which a page looks for rows that may be far back
_MOST_FORM = 4096  # bytes of the login form
_STATIC = {"console.css": "text/css", "console.js": "text/javascript"}
_FORMS = ("/templates", "/configuration")
_PAGES = ("/", "/history", "/explain", "/chats", *_FORMS, "/login", "/logout")
_ALERT = re.compile(r"/a/([0-9]{1,18}(?:/[0-9]{1,18})?)")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Console:
    """Answers the console's paths. Read-only, behind the authentication of the web configuration: a
    browser gets basic authentication, or a form that takes a bearer token.
    """

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        config: CurrentConfig,
        relay_status: Callable[[], RelayStatus],
        clock: Callable[[], float],
        platforms: Platforms,
        auth: Auth | None,
        prefix: str = "",
        external_host: str = "",
        *,
        on_loopback: bool = True,
    ) -> None:
        """`on_loopback`: without authentication a listener of its own answers only requests that
        name loopback or `external_host`, since a page in a browser could ask under a name of its
        own.
        """
        self._on_loopback = on_loopback
        self._external_host = external_host
        self._store = store
        self._transactions = transactions
        self._config = config
        self._relay_status = relay_status
        self._clock = clock
        self._platforms = platforms
        self._auth = auth
        self._prefix = prefix
        self._sessions = Sessions(clock)
        paced = Paced(transactions)
        self._views = Views(store, transactions, paced, config, clock, platforms)
        self._workshop = Workshop(
            store,
            transactions,
            paced,
            config,
            lambda: relay_status().config_file,
            clock,
            platforms,
        )
        self._drawn: dict[str, tuple[Seen, bytes]] = {}
        self._jinja = Environment(
            loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined
        )

    def warm_up(self) -> None:
        """Compiles the pages, in any thread: the first view would take 50 ms more."""
        for name in self._jinja.list_templates(["html"]):
            self._jinja.get_template(name)

    def serves(self, path: str) -> bool:
        """Whether the path, without the prefix, belongs to the console."""
        return path in _PAGES or path.startswith("/static/") or bool(_ALERT.fullmatch(path))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer of a listener that serves only the console."""
        path = request.path.removeprefix(self._prefix)
        if self._is_foreign(request):
            return _plain(403, "this Host is not known here: name it in --web.external-url")
        if not self.serves(path):
            return _plain(404, "unknown path")
        return await self.answer(request, path)

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """The page at one of the console's paths."""
        language = language_of(request.headers.get("Accept-Language", ""))
        if path.startswith("/static/"):
            return _static(path.removeprefix("/static/"))
        if path == "/login" and request.method == "POST":
            return await self._log_in(request, language)
        is_form = request.method == "POST" and path in _FORMS
        if request.method not in ("GET", "HEAD") and not is_form:
            return _plain(405, "method not allowed: use GET")
        if path == "/logout":
            return self._log_out(request)
        if not await self._is_in(request):
            return self._refused(language, "")
        if path == "/login":
            return self._to("/")
        if is_form:
            return await self._try(request, path, language)
        return await self._page(request, path, language)

    async def _page(self, request: web.BaseRequest, path: str, language: str) -> web.Response:
        found = _ALERT.fullmatch(path)
        if found:
            return await self._alert(found[1], language)
        match path:
            case "/history":
                return await self._history(request.query, language)
            case "/explain":
                return await self._explain(request.query, language)
            case "/templates":
                values = await self._workshop.templates(
                    request.query, tried=False, language=language
                )
                return self._render("templates.html", language, page="templates", **values)
            case "/configuration":
                return self._configuration(await self._workshop.configuration(None), language)
            case "/chats":
                return await self._chats(language)
            case _:
                return await self._now(language)

    async def _try(self, request: web.BaseRequest, path: str, language: str) -> web.Response:
        """The result of a form, of which nothing is kept."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return _plain(403, "a form comes from the console's own page")
        form = await form_of(request)
        if form is None:
            return _plain(413, "the form is too large, or not multipart/form-data")
        if path == "/templates":
            values = await self._workshop.templates(form, tried=True, language=language)
            return self._render("templates.html", language, page="templates", **values)
        given = form.get("file", "").strip() or form.get("text", "")
        return self._configuration(await self._workshop.configuration(given), language)

    def _configuration(self, values: dict[str, Any], language: str) -> web.Response:
        return self._render(
            "configuration.html",
            language,
            page="configuration",
            relay=self._relay_status(),
            draw=draw_fault,
            **values,
        )

    def _is_foreign(self, request: web.BaseRequest) -> bool:
        host = request.headers.get("Host", "")
        return self._on_loopback and self._is_open() and not is_own_host(host, self._external_host)

    def _is_open(self) -> bool:
        return self._auth is None or not self._auth.web.guarded

    async def _is_in(self, request: web.BaseRequest) -> bool:
        if self._auth is None or self._is_open():
            return True
        if self._sessions.knows(request.cookies.get(COOKIE, "")):
            return True
        given = request.headers.get("Authorization", "")
        return await self._auth.admits(given, request.remote or "") == "in"

    async def _log_in(self, request: web.BaseRequest, language: str) -> web.Response:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return _plain(403, "a login comes from the console's own form")
        if (request.content_length or _MOST_FORM + 1) > _MOST_FORM:
            return _plain(413, "the form is too large")
        form = await request.post()
        given = form.get("token")
        bearer = f"Bearer {given}" if isinstance(given, str) else ""
        if self._auth is None or await self._auth.admits(bearer, request.remote or "") != "in":
            return self._refused(language, "login_failed")
        response = self._to("/")
        response.set_cookie(
            COOKIE,
            self._sessions.begin(),
            max_age=SECONDS,
            path=f"{self._prefix}/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    def _log_out(self, request: web.BaseRequest) -> web.Response:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = self._to("/")
        response.del_cookie(COOKIE, path=f"{self._prefix}/")
        return response

    def _refused(self, language: str, fault: str) -> web.Response:
        response = self._render("login.html", language, status=401, fault=fault, page="login")
        if self._auth is not None:
            response.headers["WWW-Authenticate"] = self._auth.challenge
        return response

    def _to(self, path: str) -> web.Response:
        return web.Response(status=303, headers={**_HEADERS, "Location": f"{self._prefix}{path}"})

    async def _read(self, job: Callable[[], T]) -> T:
        return await self._transactions.run_unsynced(job)

    async def _now(self, language: str) -> web.Response:
        """Drawn once for everybody who looks at the same view, since an open page asks again and
        again.
        """
        seen = await self._views.seen()
        drawn = self._drawn.get(language)
        if drawn is None or drawn[0] is not seen:
            drawn = self._drawn[language] = seen, self._draw_now(seen, language).encode()
        return _page(drawn[1])

    def _draw_now(self, seen: Seen, language: str) -> str:
        return self._draw(
            "now.html",
            language,
            page="now",
            relay=self._relay_status(),
            storage=seen.storage,
            cards=[self._card(card) for card in sorted(seen.cards, key=lambda card: card.since)],
            chats=[self._chat(chat) for chat in seen.storage.chats],
            minutes=[
                (time_of(seen.since + at * 60)[11:16], *each)
                for at, each in enumerate(seen.minutes)
            ],
            plots=[_plot([each[which] for each in seen.minutes]) for which in range(3)],
        )

    async def _chats(self, language: str) -> web.Response:
        seen = await self._views.seen()
        lanes = [chat.lane for chat in seen.storage.chats]
        room = await self._views.room(lanes)
        chats = [
            {**self._chat(chat), "room": room.get(chat.lane, ())} for chat in seen.storage.chats
        ]
        return self._render("chats.html", language, page="chats", chats=chats)

    async def _history(self, query: Mapping[str, str], language: str) -> web.Response:
        text, fault = query.get("labels", "").strip(), ""
        labels = labels_of(text)
        if labels is None:
            labels, fault = (), "faulty"
        asked = HistoryQuery(
            labels=labels,
            receiver=query.get("receiver", "").strip(),
            outcome=query["outcome"] if query.get("outcome") in OUTCOMES else "",
            limit=_ROWS,
            after=place_of(query.get("after", "")),
        )
        until = self._clock() + _LOOKED_FOR
        page = await self._read(partial(self._store.history, asked))
        while not page.rows and page.next and self._clock() < until:  # more may follow
            asked = _behind(asked, page)
            page = await self._read(partial(self._store.history, asked))
        never: tuple[str, ...] = ()
        if not page.rows and not asked.after:
            name = dict(labels).get("alertname", "")
            heard = await self._read(partial(self._store.last_heard, name, None))
            never = never_came(heard, self._clock(), language)
        kept = {"labels": text, "receiver": asked.receiver, "outcome": asked.outcome}
        return self._render(
            "history.html",
            language,
            page="history",
            rows=[self._row(row, language) for row in page.rows],
            query=kept,
            outcomes=OUTCOMES,
            fault=fault,
            never=never,
            older=f"?{urlencode({**kept, 'after': page.next})}" if page.next else "",
        )

    async def _alert(self, trace_id: str, language: str) -> web.Response:
        trace = await self._read(partial(self._store.traced, trace_id))
        if not isinstance(trace, Trace):
            return self._render(
                "alert.html", language, status=404, page="alert", id=trace_id, sentences=(),
                rows=(), labels="",
            )  # fmt: skip
        places = {each.id: self.place_of(each) for each in trace.deliveries}
        return self._render(
            "alert.html",
            language,
            page="alert",
            id=trace_id,
            sentences=[_linked(each) for each in chain(trace, places, language)],
            rows=[
                *(self._row(each, language) for each in trace.discarded),
                *(self._row(each, language) for each in trace.deliveries),
            ],
            labels=f"alertname={trace.alerts[0]}" if trace.alerts else "",
        )

    async def _explain(self, query: Mapping[str, str], language: str) -> web.Response:
        text, at = query.get("labels", "").strip(), query.get("at", "").strip()
        labels, moment = labels_of(text), moment_of(at, self._clock())
        config = self._config.current
        routing = config.routing
        visited, found, previews = [], [], list[DrawnMessage]()
        if labels and moment is not None:
            for each in explain(routing.root, dict(labels)):
                failed = str(each.failed) if each.failed else ""
                matchers = ", ".join(map(str, each.route.matchers))
                name, depth = routing.name_of(each.route), min(each.depth, 8)
                visited.append((name, depth, matchers, each.route.receiver, failed, each.reached))
            ends = reached(routing.root, dict(labels), config.intervals, moment)
            previews = await self._workshop.previews(dict(labels), ends)
            for end in ends:
                targets = routing.targets.get(end.receiver, ())
                chats = [self._spell(target.lane) for target in targets]
                found.append((end.receiver, chats, end.muted))
        return self._render(
            "explain.html",
            language,
            page="explain",
            labels=text,
            at=at,
            fault="faulty" if labels is None or moment is None else "",
            visited=visited,
            found=found,
            previews=previews,
        )

    def place_of(self, each: DeliveryTrace) -> Place:
        platform = self._platforms.get(each.lane.platform)
        link = platform.message_link(each.message, each.guild) if platform and each.message else ""
        return Place(self._spell(each.lane), link)

    def _spell(self, lane: object) -> str:
        platform = self._platforms.get(getattr(lane, "platform", ""))
        return platform.spell(lane) if platform else str(lane)  # type: ignore[arg-type]

    def _row(self, row: HistoryRow, language: str) -> dict[str, object]:
        place = self.place_of(row) if isinstance(row, DeliveryTrace) else Place("")
        return {
            "row": row,
            "payload": getattr(row, "payload", ""),
            "at": time_of(row.at),
            "alerts": ", ".join(getattr(row, "alerts", ())),
            "count": getattr(row, "count", 0),
            "receiver": getattr(row, "owner", "") or getattr(row, "receiver", ""),
            "chat": place.chat or getattr(row, "chat", ""),
            "link": place.link,
            "outcome": outcome_of(row),
            "beside": sorted(outcomes_of(row) - {outcome_of(row)}),
            "why": told(row, Place(place.chat), language),
        }

    def _card(self, card: OpenCard) -> dict[str, object]:
        platform = self._platforms.get(card.lane.platform)
        link = platform.message_link(card.message, card.guild) if platform and card.message else ""
        return {"card": card, "chat": self._spell(card.lane), "link": link}

    def _chat(self, chat: ChatStatus) -> dict[str, object]:
        return {"chat": chat, "name": self._spell(chat.lane)}

    def _render(
        self, name: str, language: str, status: int = 200, **values: object
    ) -> web.Response:
        return _page(self._draw(name, language, **values).encode(), status)

    def _draw(self, name: str, language: str, **values: object) -> str:
        now = self._clock()
        return self._jinja.get_template(name).render(
            t=WORDS[language],
            language=language,
            prefix=self._prefix,
            now=now,
            age=lambda at: age(now - at),
            until=lambda at: age(at - now),
            time_of=time_of,
            iso=lambda at: datetime.fromtimestamp(at, UTC).isoformat(),
            width=WIDTH,
            height=HEIGHT,
            guarded=not self._is_open(),
            **values,
        )


def _plot(values: list[int]) -> tuple[list[Bar], int, int]:
    """The bars, the largest value and the last one."""
    return bars(values), max(values, default=0), values[-1] if values else 0


def _page(body: bytes, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=body, content_type="text/html", charset="utf-8", headers=dict(_HEADERS)
    )


def _behind(query: HistoryQuery, page: HistoryPage) -> HistoryQuery:
    return HistoryQuery(
        query.labels, query.since, query.receiver, query.outcome, query.source, query.limit,
        page.next,
    )  # fmt: skip


def _linked(sentence: str) -> list[tuple[str, bool]]:
    """The pieces of a sentence, and which of them are addresses."""
    pieces = re.split(r"(https://[^\s]+?)(?=[.,]?(?:\s|$))", sentence)
    return [(piece, piece.startswith("https://")) for piece in pieces if piece]


def _static(name: str) -> web.Response:
    kind = _STATIC.get(name)
    if kind is None:
        return _plain(404, "unknown path")
    body = (_HERE / name).read_bytes()
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=dict(_HEADERS))


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=dict(_HEADERS))
