"""A third platform, as short as the contract allows: rooms at an address, plain text.

POST `API/KEY/messages` and PATCH `API/KEY/messages/ID` take `{"room": ..., "text": ...}` and answer
`{"id": ...}`, or `{"error": ...}` with a status that says the rest.
"""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from relay.core.action.settings import ActingConfig
from relay.core.budget import Limit, Limits, Rate
from relay.core.card.outcome import BotDown, ChatDown, Outcome, RateLimited, ThreadGone
from relay.core.card.step import Edit, MessageRef, Post, Reply, Step
from relay.core.routing.lane import Endpoint, LaneKey, Policy
from relay.core.secret import Secret
from relay.core.text.message import ButtonsIn, Form, Message
from relay.core.text.richtext import RichText, concat, join, shorten, utf16_length
from relay.platforms.answer import (
    ErrorRow,
    ParsedResponse,
    json_object,
    no_answer,
    outcome_of,
    placed,
    positive_id,
    row_of,
    text_of,
    wait_of,
)
from relay.platforms.entry import Chats, Entry, EntryReader, Imported, Loc, Writing
from relay.platforms.http import NoAnswer, Request, Response
from relay.platforms.scalar import Address, Model, RateText, SecretText

TITLE = "Toy"
CHATS = "rooms"
SECRET_KEYS = frozenset({"toy_key"})
MOST_UNITS = 1000


class ToyConfig(Entry):
    """A room."""

    room: str
    """Its name."""
    toy_key: SecretText | None = None
    """Key of the service; better in a file."""
    toy_key_file: str | None = None
    """File that holds the key."""


class ToyGlobals(Model):
    """What all rooms have in common."""

    toy_url: Address = "https://toy.example.org"
    """Address of the service."""


class ToyLimits(Model):
    """Calls per room."""

    room: RateText | None = None
    """Messages to one room (5/1s)."""


ENTRY = ToyConfig
GLOBALS = ToyGlobals
LIMITS: type[Model] = ToyLimits
RATES: Mapping[str, Rate] = {"room": Rate(5, 1.0)}
WRITINGS: Mapping[str, Writing] = {"plain": Writing("none", "plain.txt.j2")}
IMPORTED = Imported()
SUBSCRIBERS: Entry | None = None
ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow("RateLimited", "too many calls", statuses=(429, 429)),
    ErrorRow("Unavailable", "a proxy answered", statuses=(400, 499), own=False),
    ErrorRow("BotDown", "the key is wrong", statuses=(401, 401)),
    ErrorRow("ChatDown", "the room does not exist", statuses=(404, 404), words=("no room",)),
    ErrorRow("MessageGone", "the message is deleted", statuses=(404, 404), own=True),
    ErrorRow("Rejected", "the message is refused", statuses=(400, 499)),
    ErrorRow("Delivered", "taken", statuses=(200, 299), own=True),
    ErrorRow("Unknown", "an answer that is not the service's", statuses=(200, 299)),
    ErrorRow("Unavailable", "the service is down"),
)


class _Said(msgspec.Struct, frozen=True):
    room: str
    text: str


def parse_mode(entry: ToyConfig) -> str:  # noqa: ARG001 - as the contract has it
    return "plain"


def secret_files(entry: ToyConfig) -> Iterator[str]:
    yield from filter(None, (entry.toy_key_file,))


def global_secret_files(common: ToyGlobals) -> Iterator[str]:  # noqa: ARG001
    yield from ()


def chats(
    entry: ToyConfig,
    common: ToyGlobals,
    policy: Policy,  # noqa: ARG001
    loc: Loc,
    reader: EntryReader,
) -> Chats:
    if entry.toy_key is None and entry.toy_key_file is None:
        reader.lack(loc, 'a room needs "toy_key_file" or "toy_key"')
        return Chats(())
    key, _ = reader.secret(entry.toy_key, entry.toy_key_file, (*loc, "toy_key"))
    lane = LaneKey("toy", common.toy_url, "", entry.room)
    return Chats((((), Endpoint(lane, key or Secret(""), reader.http(entry.http_config, loc))),))


def refined(policy: Policy, entry: ToyConfig) -> Policy:  # noqa: ARG001
    return policy


def spell(lane: LaneKey) -> str:
    return f"toy room {lane.chat}"


def remedy(outcome: ThreadGone | ChatDown | BotDown, place: str) -> str:
    what = "key" if isinstance(outcome, BotDown) else "room"
    return f"correct the {what} at {place}"


def with_banner(message: Message, banner: RichText) -> Message:
    return replace(message, body=concat([banner, "\n", message.body]))


def request(
    endpoint: Endpoint, policy: Policy, step: Step, message: Message, *, plain: bool = False
) -> Request:
    del policy, plain  # it knows neither names nor styles
    text = _shown(squeeze(message)).text.encode(errors="replace").decode()  # no lone surrogates
    said = _Said(endpoint.lane.chat, text)
    if isinstance(step, Edit):
        return _call(endpoint, f"messages/{step.message.id}", "edit", said)
    return _call(endpoint, "messages", "post", said)


def probe(endpoint: Endpoint) -> Request:
    url = Secret(f"{endpoint.lane.api}/{endpoint.secret.reveal()}/messages")
    return Request("GET", url, "list", repeatable=True, http=endpoint.http)


def message_link(ref: MessageRef, guild: str) -> str:  # noqa: ARG001
    return ""


def needs_kind(endpoint: Endpoint) -> bool:  # noqa: ARG001
    return False


def kind_of(response: Response | NoAnswer) -> str:  # noqa: ARG001
    return "-"


def buttons_in(lane: LaneKey, kind: str, acting: ActingConfig) -> ButtonsIn:  # noqa: ARG001
    return "none"


def needs_guild(endpoint: Endpoint, step: Step) -> bool:  # noqa: ARG001
    return False


def guild_of(response: Response | NoAnswer) -> str:  # noqa: ARG001
    return "-"


def outcome(lane: LaneKey, step: Step | None, response: Response | NoAnswer) -> Outcome:
    if isinstance(response, NoAnswer):
        return no_answer(response)
    body = json_object(response.body)
    number, error = positive_id(body.get("id")), text_of(body.get("error"))
    answer = ParsedResponse(response.status, own=bool(number or error), code=0, description=error)
    match step:
        case Post() | None:
            ref = MessageRef(lane.chat, lane.thread, number)
        case Edit(message=ref) | Reply(message=ref):
            ref = replace(ref, id=number or ref.id)
    limited = RateLimited(wait_of(_asked(body), response, own=answer.own), (_key(lane),))
    found = outcome_of(row_of(ERRORS, answer), answer, ref, limited, "")
    return placed(found, lane, step)


def budgets(endpoint: Endpoint, limits: Limits, channel: str = "") -> tuple[Limit, ...]:  # noqa: ARG001
    rate = {**RATES, **limits.of("toy")}["room"]
    return (Limit(_key(endpoint.lane), rate.count, rate.window),)


def pace(lane: LaneKey, response: Response) -> tuple[tuple[str, float], ...]:  # noqa: ARG001
    return ()


def excess(message: Message) -> int:
    return max(0, utf16_length(_shown(message).text) - MOST_UNITS)


def fits(message: Message) -> bool:
    return excess(message) == 0


FORM = Form(excess, frozenset({"card", "reply", "digest", "title", "content"}))


def squeeze(message: Message) -> Message:
    if fits(message):
        return message
    whole = shorten(_shown(message), MOST_UNITS, lambda rich: utf16_length(rich.text))
    return Message(whole, mentions=message.mentions)


def _shown(message: Message) -> RichText:
    parts = (message.title, message.content, message.body)
    return join("\n", [part for part in parts if part.text.strip()])


def _asked(body: dict[str, object]) -> object:
    return body.get("retry_after")


def _call(endpoint: Endpoint, path: str, name: str, said: _Said) -> Request:
    url = Secret(f"{endpoint.lane.api}/{endpoint.secret.reveal()}/{path}")
    raw, edits = msgspec.json.encode(said), name == "edit"
    return Request("PATCH" if edits else "POST", url, name, raw, repeatable=edits)


def _key(lane: LaneKey) -> str:
    return f"toy:{lane.api}:{lane.chat}"
