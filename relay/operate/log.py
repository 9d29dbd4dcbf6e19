"""The log: one line for each event, logfmt or JSON, with values escaped, bounded and without
secrets.
"""

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath
from typing import Literal, TextIO, assert_never

from relay.core.event import (
    Accepted,
    Answered,
    BotListens,
    Called,
    ChatChanged,
    ChatMoved,
    ClockChanged,
    Contradicted,
    EscalationSettled,
    Event,
    Heard,
    Loaded,
    Noted,
    PressAnswered,
    RequestRefused,
    Settled,
    Settlement,
    StorageDamaged,
    StorageLost,
    TemplateFailed,
)
from relay.core.secret import Secret

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["logfmt", "json"]
Value = str | int | float
Pairs = tuple[tuple[str, Value], ...]

MAX_VALUE = 512
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_LEVEL_NAMES = {logging.WARNING: "WARN"}  # Go's slog, and so Alertmanager, writes it like this
_FRAMES = 4
_ENDED: dict[Settlement, Level] = {"delivered": "info", "expired": "warning", "dead": "warning"}
_SHORTEST_SECRET = 8
_log = logging.getLogger("relay")

_LEAKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(bot)?\d{6,}(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), r"\1<secret>"),
    (re.compile(r"/bot\d+(?::|%3[Aa])[^/\s\"']+"), "/bot<secret>"),
    (re.compile(r"(/webhooks/\d+/)[A-Za-z0-9_-]+"), r"\1<secret>"),
    (re.compile(r"(://)[^/\s@\"']+@"), r"\1<secret>@"),
)

# Each secret that is masked contains one of these; most values do not.
_MAY_LEAK = re.compile(r"[\d/:](?:(?<=\d)\d{5}|(?<=/)(?:bot\d|webhooks/)|(?<=:)//)")


def setup(level: Level, form: Form, stream: TextIO | None = None) -> None:
    """Sends all logs of the process to `stream` (standard error), those of libraries from warnings
    up.

    Everything that looks like a bot token, a webhook path or credentials in an address is masked,
    and so are the texts given to `hide`.
    """
    # No line names its place in the code, and finding it costs time for each record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _Rounds(stream or sys.stderr)
    handler.setFormatter(_Line(form))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(_LEVELS[level])


def hide(secrets: Iterable[Secret]) -> None:
    """Masks these texts too from now on, wherever they appear; earlier ones stay masked. Texts
    shorter than a word are left to the patterns.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Line):
            handler.formatter.hide(secrets)


def on_event(event: Event) -> None:
    """Writes the event at the level of its kind. If nobody reads that level, it costs no more than
    finding the level.
    """
    level = _LEVELS[_level(event)]
    if _log.isEnabledFor(level):
        message, values = _told(event)
        # As `_log.log` does it, without finding the line of code that wrote it.
        record = logging.LogRecord(_log.name, level, "", 0, message, None, None)
        record.values = values
        _log.handle(record)


def _level(event: Event) -> Level:
    match event:
        case Answered():
            return "warning" if event.code >= 400 else "debug"
        case RequestRefused(method=method):
            return "info" if method == "POST" else "debug"
        case Accepted():
            return "error" if event.fault else "info"
        case Called():
            return "warning" if event.reason else "debug"
        case Settled():
            return _ENDED.get(event.settlement, "debug")
        case Noted():
            return event.level
        case Heard():
            return "warning" if event.sort in ("forged", "failed") else "debug"
        case ChatChanged():
            return "info" if event.up else "error"
        case Loaded():
            return "info" if event.ok else "error"
        case BotListens():
            return "info" if event.listens else "warning"
        case ChatMoved() | Contradicted() | ClockChanged() | EscalationSettled():
            return "warning"
        case PressAnswered():
            return "info"
        case StorageLost():
            return "info" if event.there else "error"
        case TemplateFailed() | StorageDamaged():
            return "error"
        case _:
            assert_never(event)


def _told(event: Event) -> tuple[str, Pairs]:
    """The message and the values of the event's line."""
    match event:
        case Answered(peer=peer) | RequestRefused(peer=peer):
            message = "webhook answered" if isinstance(event, Answered) else "request refused"
            from_ = (("from", peer),) if peer else ()
            return message, (*_fields(event, "peer", "stranger", "size"), *from_)
        case Accepted():
            hidden = ("inside", "discarded_by") if event.id else ("inside", "discarded_by", "id")
            return "alerts accepted", _fields(event, *hidden)
        case Called(reason=reason):
            return ("API request failed" if reason else "API request"), _fields(event)
        case Settled(settlement=end):
            own = ("settlement", "latencies", "urgent", *(() if event.id else ("id",)))
            took = (("seconds", max(event.latencies)),) if event.latencies else ()
            return f"deliveries {end}", (*_fields(event, *own), *took)
        case ChatChanged(up=up):
            return ("chat up" if up else "chat down"), _fields(event, "up")
        case ChatMoved(chat=chat):
            message = "chat moved, change its id" if chat else "thread gone, using the main chat"
            return message, _fields(event)
        case Contradicted():
            return "two Alertmanagers contradict each other", _fields(event)
        case TemplateFailed():
            return "template failed, plain text sent", _fields(event)
        case Loaded(ok=True):
            return "configuration loaded", _fields(event, "ok", "at", "faults", "sha256", "first")
        case Loaded():
            message = "configuration rejected, the old one stays in force"
            return message, _fields(event, "ok", "at", "receivers", "chats", "first")
        case StorageDamaged() | StorageLost() | ClockChanged():
            return _told_of_machine(event)
        case Heard() | BotListens() | EscalationSettled() | PressAnswered():
            return _told_of_people(event)
        case Noted(_, message, values):
            return message, values
        case _:
            assert_never(event)


def _told_of_people(
    event: Heard | BotListens | EscalationSettled | PressAnswered,
) -> tuple[str, Pairs]:
    match event:
        case Heard():
            return "update heard", _fields(event)
        case BotListens(listens=listens):
            return ("bot listens" if listens else "bot receives no updates"), _fields(
                event, "listens"
            )
        case EscalationSettled():
            return "nobody took it, escalating", _fields(event)
        case PressAnswered():
            return "pressed", _fields(event)


def _told_of_machine(event: StorageDamaged | StorageLost | ClockChanged) -> tuple[str, Pairs]:
    match event:
        case StorageDamaged(moved_to):
            remedy = f"alert-relay queue salvage {moved_to}"
            return "storage damaged, an empty one started", (*_fields(event), ("remedy", remedy))
        case StorageLost(there=there):
            message = "the files of the storage are there again" if there else "storage lost"
            return message, _fields(event, "there")
        case ClockChanged(wall_ahead):
            apart = f"{wall_ahead:.0f}"
            return "the clock was set, hours follow it", (("wall_ahead_seconds", apart),)


def _fields(event: Event, *hidden: str) -> Pairs:
    """The event's fields, without hidden and empty ones."""
    pairs: list[tuple[str, Value]] = []
    for name in _names(type(event), hidden):
        value = getattr(event, name)
        if value != "":
            pairs.append((name, value if isinstance(value, (str, int, float)) else str(value)))
    return tuple(pairs)


@lru_cache(maxsize=256)
def _names(kind: type[Event], hidden: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if name not in hidden)


class _Rounds(logging.StreamHandler[TextIO]):
    """Writes the lines of one round of the event loop together, all others at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:  # noqa: BLE001 - as `StreamHandler` has it
            self.handleError(record)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write(record)
            return
        if len(self._lines) == 1:
            loop.call_soon(self._write, record)

    def _write(self, record: logging.LogRecord) -> None:
        try:
            self.flush()
        except Exception:  # noqa: BLE001 - likewise
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("".join(lines))
            super().flush()


class _Line(logging.Formatter):
    """A record as one line. Secrets are masked before a value is cut, so that no half of one is
    left.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self._secrets: list[str] = []

    def hide(self, secrets: Iterable[Secret]) -> None:
        texts = {text for secret in secrets if len(text := secret.reveal()) >= _SHORTEST_SECRET}
        self._secrets = sorted(texts.union(self._secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        own: Pairs = getattr(record, "values", ())
        pairs: Pairs = (("msg", record.getMessage()), *own, *_error(record))
        texts = "\n".join([value for _, value in pairs if isinstance(value, str)])
        if len(texts) > MAX_VALUE or self._may_leak(texts):
            pairs = tuple((key, self._safe(value)) for key, value in pairs)
        at = f"{_second(int(record.created))}.{int(record.created * 1000) % 1000:03}Z"
        level = _LEVEL_NAMES.get(record.levelno, record.levelname)
        if self._form == "json":
            head = {"time": at, "level": level}
            return json.dumps(head | {key: _rounded(value) for key, value in pairs})
        (_, message), *values = pairs
        told = "".join([f" {key}={_written(value)}" for key, value in values])
        return f"time={at} level={level} msg={_quoted(str(message), always=True)}{told}"

    def _may_leak(self, text: str) -> bool:
        return _MAY_LEAK.search(text) is not None or any(map(text.__contains__, self._secrets))

    def _safe(self, value: Value) -> Value:
        if isinstance(value, int | float):
            return value
        for secret in self._secrets:
            value = value.replace(secret, "<secret>")
        if _MAY_LEAK.search(value):
            for pattern, mask in _LEAKS:
                value = pattern.sub(mask, value)
        return value if len(value) <= MAX_VALUE else value[: MAX_VALUE - 1] + "…"


def _error(record: logging.LogRecord) -> Pairs:
    """The exception and the innermost frames: a traceback that fits on the line."""
    if not record.exc_info or record.exc_info[1] is None:  # asyncio writes False for none
        return ()
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames)
    return (("error", f"{type(error).__name__}: {error}"), ("at", places))


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _rounded(value: Value) -> Value:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _written(value: Value) -> str:
    """A value in logfmt."""
    if isinstance(value, str):
        return _quoted(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quoted(value: str, *, always: bool = False) -> str:
    printable = value.isprintable()
    if not always and value and printable and not _ASKS_QUOTES.search(value):
        return value
    if printable:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return (
        '"'
        + "".join(
            _ESCAPES.get(char, char) if char.isprintable() else _escape(char) for char in value
        )
        + '"'
    )


_ASKS_QUOTES = re.compile(r'[ ="\\]')
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def _escape(char: str) -> str:
    """A character that cannot be printed (controls, line and direction marks, lone surrogates) as
    its number, in Go's form.
    """
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(char)
    return named.get(char) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
