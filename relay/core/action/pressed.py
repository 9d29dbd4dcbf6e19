"""The data of a button: its action and its card, authenticated, in at most 64 bytes."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import blake2b, sha256
from typing import Literal

import msgspec
from msgspec import Struct

from relay.core.alert import GroupId
from relay.core.routing.lane import LaneKey

VERSION = "1"
TELEGRAM_BYTES, DISCORD_CHARACTERS = 64, 100  # callback_data, custom_id
Verb = Literal["take", "release", "over", "silence", "group", "menu", "ask", "end"]
_LETTERS: dict[Verb, str] = {
    "take": "t", "release": "r", "over": "o", "silence": "s", "group": "g", "menu": "m", "ask": "a",
    "end": "e",
}  # fmt: skip
_VERBS: dict[str, Verb] = {letter: verb for verb, letter in _LETTERS.items()}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MAC_BYTES, _NAME_BYTES = 8, 8
_LARGEST = 1 << 64  # the ids of Discord's messages are numbers of that size


class ButtonData(Struct, frozen=True):
    """The data of a button: verb, the card's name (`card_name`), the delivery up to which the
    message showed the card, and the seconds of a silence. `message` is the card's message, if the
    button is under another one.
    """

    verb: Verb
    card: str
    seq: int
    number: int = 0
    message: int = 0


class OldData(Struct, frozen=True):
    """Data of another version of the relay."""


class ForgedData(Struct, frozen=True):
    """Data that belongs to no button of this message."""


def card_name(lane: LaneKey, group: GroupId, fingerprint: str) -> str:
    """A short name for a card: 11 characters."""
    what = msgspec.json.encode((lane, group, fingerprint))
    return _text(blake2b(what, digest_size=_NAME_BYTES).digest())


def button_place(lane: LaneKey, chat: str = "") -> str:
    """Where the data of a button is valid: for the bot or webhook, on Telegram in one chat. `chat`
    is where the lane's messages go now, if that changed.
    """
    if lane.platform == "telegram":
        return f"telegram {lane.api} {lane.account} {chat or lane.chat}"
    return f"{lane.platform} {lane.account}"


def encode(data: ButtonData, key: bytes, place: str) -> str:
    """The data in the form that a button carries. `place` is the bot and chat for which it is
    valid.
    """
    numbers = (data.seq, data.number, *((data.message,) if data.message else ()))
    said = ".".join((VERSION + _LETTERS[data.verb], data.card, *map(_base36, numbers)))
    return f"{said}.{_mac(said, key, place)}"


def decode(text: str, key: bytes, place: str) -> ButtonData | OldData | ForgedData:
    """The data of a button that was pressed at `place`. Never raises."""
    if len(text) > DISCORD_CHARACTERS or not text.isascii():
        return ForgedData()
    said, _, mac = text.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(said, key, place).encode()):
        return ForgedData()
    if not said.startswith(VERSION):
        return OldData()
    parts = said.split(".")
    if len(parts) not in (4, 5) or parts[0][1:] not in _VERBS:
        return OldData()
    try:
        numbers = [int(part, 36) for part in parts[2:]]
    except ValueError:
        return OldData()
    return ButtonData(_VERBS[parts[0][1:]], parts[1], *numbers)


def _mac(said: str, key: bytes, place: str) -> str:
    return _text(hmac.digest(key, f"{place}\0{said}".encode(), sha256)[:_MAC_BYTES])


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _base36(number: int) -> str:
    number = max(0, min(number, _LARGEST))
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits
