"""Reads an answer: a row of a platform's table gives its meaning. No body makes it raise."""

import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from relay.core.card.outcome import (
    BotDown,
    ChatDown,
    Delivered,
    MessageGone,
    Moved,
    Outcome,
    RateLimited,
    Rejected,
    ThreadGone,
    Unavailable,
    Unknown,
)
from relay.core.card.step import Edit, MessageRef, Reply, Step
from relay.core.routing.lane import LaneKey
from relay.core.secret import mask
from relay.platforms.http import NoAnswer, Response

OutcomeKind = Literal[
    "Delivered",
    "RateLimited",
    "Unavailable",
    "Unknown",
    "Moved",
    "Rejected",
    "MessageGone",
    "ThreadGone",
    "ChatDown",
    "ChatDown, for ever",
    "ChatDown, left",
    "BotDown",
    "BotDown, for ever",
]

_PLAIN: dict[OutcomeKind, Callable[[str], Outcome]] = {
    "Unavailable": Unavailable,
    "Unknown": Unknown,
    "Rejected": Rejected,
    "MessageGone": MessageGone,
    "ThreadGone": ThreadGone,
}
LONGEST_WAIT = 86400.0
# Of a gateway that answers in the platform's place, perhaps for one message alone.
LONGEST_WAIT_OF_ANOTHER = 3600.0
_SHORTEST_WAIT = 1.0
_USUAL_WAIT = 5.0
_LONGEST_WHY = 300
_LONGEST_ID = 20


class ErrorRow(Struct, frozen=True):
    """One kind of answer: how it is recognised, its outcome and its meaning.

    Every given field must match: the status is within `statuses`, one of `words` is in the
    lower-case description, `code` is among `codes`. `own`: True only for the API's own JSON, False
    only for anything else, None for both.
    """

    outcome: OutcomeKind
    meaning: str
    statuses: tuple[int, int] = (0, 999)
    words: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    own: bool | None = None

    @property
    def answer(self) -> str:
        """The answer as the documentation writes it."""
        low, high = self.statuses
        status = "any" if (low, high) == (0, 999) else str(low) if low == high else f"{low}-{high}"
        named = " / ".join(f"`{name}`" for name in (*map(str, self.codes), *self.words))
        form = {True: "in the API's JSON", False: "not in the API's JSON", None: ""}[self.own]
        return " ".join(filter(None, (status, named, form)))


def between(platform: str) -> tuple[ErrorRow, ...]:
    """The answers of a proxy or firewall in place of the platform of that name: they say nothing
    about a message, a chat or a bot. The platform's own rows follow.
    """
    return (
        ErrorRow("Unavailable", "a proxy wants a login", statuses=(401, 401), own=False),
        ErrorRow("Unavailable", "a proxy wants a login", statuses=(407, 407)),
        ErrorRow("Unavailable", "a proxy gave up waiting for us", statuses=(408, 408)),
        ErrorRow(
            "Unavailable",
            f"a proxy or firewall answered in place of {platform}",
            statuses=(400, 499),
            own=False,
        ),
    )


def behind(platform: str) -> tuple[ErrorRow, ...]:
    """The end of a platform's table: the answers of a gateway in its place, accepted messages, and
    answers that are not the platform's at all.
    """
    not_its_own = f"an answer that is not {platform}'s"
    return (
        ErrorRow("Unknown", f"a gateway got no answer from {platform}", statuses=(504, 504)),
        ErrorRow("Unavailable", f"a gateway could not reach {platform}", statuses=(500, 599)),
        ErrorRow("Delivered", "taken", statuses=(200, 299), own=True),
        ErrorRow("Unknown", not_its_own, statuses=(200, 299)),
        ErrorRow("Unavailable", not_its_own),
    )


class ParsedResponse(Struct, frozen=True):
    """The part of a response that decides: `description` is the API's own sentence, empty if the
    body is not the API's.
    """

    status: int
    own: bool
    code: int
    description: str


def row_of(rows: tuple[ErrorRow, ...], answer: ParsedResponse) -> ErrorRow:
    """The first row that matches. The last row of a table matches everything."""
    words = answer.description.lower()
    return next(row for row in rows if _fits(row, answer, words))


def _fits(row: ErrorRow, answer: ParsedResponse, words: str) -> bool:
    return (
        row.statuses[0] <= answer.status <= row.statuses[1]
        and row.own in (None, answer.own)
        and (not row.codes or answer.code in row.codes)
        and (not row.words or any(word in words for word in row.words))
    )


def outcome_of(
    row: ErrorRow,
    answer: ParsedResponse,
    delivered: MessageRef | None,
    limited: RateLimited,
    moved: str,
) -> Outcome:
    """The row's outcome with its values. A delivery without an id and a move to no chat do not
    count.
    """
    why = why_of(row, answer)
    match row.outcome:
        case "Delivered":
            return Delivered(delivered) if delivered else Unknown("the answer has no message id")
        case "RateLimited":
            return limited
        case "Moved":
            return Moved(moved) if moved else ChatDown(why)
        case "Unavailable" | "Unknown" | "Rejected" | "MessageGone" | "ThreadGone":
            return _PLAIN[row.outcome](why)
        case "ChatDown" | "ChatDown, for ever" | "ChatDown, left":
            forever, left = row.outcome == "ChatDown, for ever", row.outcome == "ChatDown, left"
            return ChatDown(why, forever, left)
        case "BotDown" | "BotDown, for ever":
            return BotDown(why, forever=row.outcome != "BotDown")
    assert_never(row.outcome)


def placed(outcome: Outcome, lane: LaneKey, step: Step | None) -> Outcome:
    """The outcome for the present address of the lane: a message in a topic, thread or group that
    the lane left is gone, and without a topic or thread only the chat can be down.
    """
    left = isinstance(step, Edit | Reply) and (
        step.message.thread or step.message.chat != lane.chat
    )
    match outcome:
        case Moved(chat) if chat == lane.chat:
            return MessageGone("it is in the former group, which became a supergroup")
        case ThreadGone(why) if not lane.thread.isdecimal():
            return MessageGone(why) if left else ChatDown(why)
        case _:
            return outcome


def why_of(row: ErrorRow, answer: ParsedResponse) -> str:
    """One sentence for people: the meaning, and the platform's own words with everything that looks
    like a secret masked. The body of another sender is not repeated.
    """
    said = f": {answer.description}" if answer.description else ""
    return mask(f"{row.meaning} ({answer.status}{said})")[:_LONGEST_WHY]


def no_answer(answer: NoAnswer) -> Outcome:
    """The outcome without an answer: unknown if bytes had been sent, else not accepted."""
    return Unknown(answer.why) if answer.sent else Unavailable(answer.why)


def json_object(body: bytes) -> dict[str, object]:
    """The body as a JSON object; empty if it is not one."""
    try:
        return object_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def object_of(value: object) -> dict[str, object]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """`value` if it is a text, else empty."""
    return value if isinstance(value, str) else ""


def int_of(value: object) -> int:
    """`value` if it is a whole number, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def positive_id(value: object) -> str:
    """A message's, channel's or thread's id as text; empty if `value` is not a positive number of
    at most 20 digits.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)
    return (
        text if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID and int(text) else ""
    )


def wait_of(asked: object, response: Response, *, own: bool) -> float:
    """How many seconds to wait: as the body asks, else as the `retry-after` header (a number or a
    date) asks, else 5 s.

    At least 1 s and at most a day, whatever is asked: calls before the end would make it longer.
    At most an hour if the answer is not the API's `own`.
    """
    longest = LONGEST_WAIT if own else LONGEST_WAIT_OF_ANOTHER
    for seconds in (seconds_of(asked), _header_seconds(response)):
        if seconds is not None:
            return min(max(seconds, _SHORTEST_WAIT), longest)
    return _USUAL_WAIT


def seconds_of(value: object) -> float | None:
    """A number of seconds, also from a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def _header_seconds(response: Response) -> float | None:
    header = response.headers.get("retry-after", "")
    seconds = seconds_of(header)
    if seconds is not None:
        return seconds
    try:  # https://httpwg.org/specs/rfc9110.html#field.retry-after
        until = parsedate_to_datetime(header)
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return (until - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
