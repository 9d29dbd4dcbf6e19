"""The common part of the verbs about the history: one request, and the message if it cannot be
answered.
"""

import argparse
from typing import TypeVar

from relay.cli.base import CANNOT, FAULTY, complain, storage_of
from relay.cli.paths import spell
from relay.cli.printing import safe
from relay.cli.prompts import ask
from relay.core.card.step import MessageRef
from relay.core.history import DeliveryTrace
from relay.core.routing.lane import LaneKey
from relay.core.told_history import Place
from relay.operate.admin_socket import AdminRequest, Failed
from relay.platforms import PLATFORMS
from relay.store.data_dir import CannotStart
from relay.store.queue import Refused

T = TypeVar("T")


def answered(options: argparse.Namespace, request: AdminRequest, sort: type[T]) -> T | int:
    """The answer of type `sort`; else the exit status, after a message on standard error."""
    try:
        answer: object = ask(storage_of(options), request)
    except CannotStart as error:
        answer = Failed(str(error))
    if isinstance(answer, sort):
        return answer
    why = answer.why if isinstance(answer, Failed | Refused) else "unexpected answer"
    complain(f"alert-relay: {safe(why)}")
    return FAULTY if isinstance(answer, Refused) else CANNOT


def link_of(lane: LaneKey, message: MessageRef | None, guild: str) -> str:
    """The address of a message; empty if it has none."""
    platform = PLATFORMS.get(lane.platform)
    return platform.message_link(message, guild) if platform and message else ""


def place_of(each: DeliveryTrace) -> Place:
    """The chat of a delivery, and the link to its message."""
    return Place(spell(each.lane), link_of(each.lane, each.message, each.guild))
