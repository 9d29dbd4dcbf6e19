"""Updates of a bot, by polling or by webhook, never both."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from relay.sandbox.reply import JsonObject
from relay.sandbox.telegram_form import ApiError, Form, bad

CONFLICT = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to "
    "delete the webhook first"
)
TERMINATED = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance "
    "is running"
)
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
PORTS = {443, 80, 88, 8443}


PRESS_KEPT = 150.0  # seconds for which a press waits (telegram-bot-api/Client.cpp)
ANSWER_WITHIN = 15.0  # seconds


@dataclass
class Query:
    """A press that waits for its answer. `at` is Unix seconds; `answer` is the text that the person
    got.
    """

    id: str
    at: float
    answer: str | None = None
    alert: bool = False


@dataclass
class Updates:
    """A bot's queue of updates, and its webhook (empty: none). `error` is why the last delivery to
    it failed, `error_at` when (Unix seconds).
    """

    queue: list[JsonObject] = field(default_factory=list)
    webhook: str = ""
    secret: str = ""
    error: str = ""
    error_at: int = 1
    pending_poll: "PendingPoll | None" = None
    queries: dict[str, Query] = field(default_factory=dict)
    _last_id: int = 0

    def add(self, kind: str, what: JsonObject) -> None:
        """Adds an update: `kind` is its field, such as `message` or `my_chat_member`."""
        self._last_id += 1
        self.queue.append({"update_id": self._last_id, kind: what})

    def press(self, what: JsonObject, at: float) -> Query:
        """Adds a press."""
        query = Query(f"{self._last_id + 1}00{len(self.queries)}", at)
        self.queries[query.id] = query
        self.add("callback_query", {"id": query.id, **what})
        return query

    def forget_presses(self, now: float) -> None:
        """Drops presses that nobody fetched for 150 s."""
        old = {each.id for each in self.queries.values() if now - each.at > PRESS_KEPT}
        self.queue = [update for update in self.queue if _query(update) not in old]

    def answer(self, form: Form, now: float) -> None:
        """`answerCallbackQuery`: only in time, and once."""
        query = self.queries.get(form.text("callback_query_id"))
        if query is None or query.answer is not None or now - query.at > ANSWER_WITHIN:
            raise bad(TOO_OLD)
        if len(form.text("text")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        query.answer, query.alert = form.text("text"), form.flag("show_alert")

    def listen(self, form: Form) -> "PendingPoll":
        """A call of getUpdates begins to wait, which ends one that waits already."""
        self.pending_poll = PendingPoll(
            self, form.number("offset"), min(form.number("timeout"), 50)
        )
        return self.pending_poll

    def delivered(self) -> None:
        """The webhook accepted the first update."""
        self.queue.pop(0)
        self.error = ""

    def get(self, form: Form) -> list[JsonObject]:
        """`getUpdates`: the unconfirmed updates. An offset confirms all before it."""
        if self.webhook:
            raise ApiError(409, CONFLICT)
        offset = form.number("offset")
        if offset > 0:
            self.queue = [u for u in self.queue if _id(u) >= offset]
        if offset < 0:
            self.queue = self.queue[offset:]
        return self.queue[: max(1, min(form.number("limit") or 100, 100))]

    def set_webhook(self, form: Form) -> None:
        """`setWebhook`: HTTPS on one of four ports, or an empty address for none."""
        url = form.text("url")
        if url:
            _check_webhook(url)
        self.webhook, self.secret = url, form.text("secret_token") if url else ""
        if form.flag("drop_pending_updates"):
            self.queue.clear()

    def delete_webhook(self, form: Form) -> None:
        self.webhook = self.secret = ""
        if form.flag("drop_pending_updates"):
            self.queue.clear()

    def webhook_info(self) -> JsonObject:
        info: JsonObject = {"url": self.webhook, "has_custom_certificate": False}
        info["pending_update_count"] = len(self.queue)
        if self.error:
            info |= {"last_error_message": self.error, "last_error_date": self.error_at}
        return info


@dataclass
class PendingPoll:
    """A getUpdates call that waits `seconds` for updates from `offset` on."""

    updates: Updates
    offset: int
    seconds: int

    @property
    def is_latest(self) -> bool:
        """Whether no other call came meanwhile."""
        return self.updates.pending_poll is self

    @property
    def waits(self) -> bool:
        """Whether there is nothing to answer yet."""
        silent = not any(_id(update) >= self.offset for update in self.updates.queue)
        return self.is_latest and silent and not self.updates.webhook


def _check_webhook(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS:
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def _query(update: JsonObject) -> str:
    query = update.get("callback_query")
    return str(query["id"]) if isinstance(query, dict) else ""


def _id(update: JsonObject) -> int:
    value = update["update_id"]
    return value if isinstance(value, int) else 0
