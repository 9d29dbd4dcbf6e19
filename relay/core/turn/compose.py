"""Composing a turn: the message by which a step shows its card."""

import math
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relay.core.card import digest
from relay.core.card.digest import DIGEST, QUIET, DigestView
from relay.core.card.step import Reply
from relay.core.template.build_view import Pace, build_view, late
from relay.core.template.template import Templates, render, render_digest
from relay.core.text.message import Form, Message
from relay.core.turn.decide import Send, Situation
from relay.core.turn.finish import Contents


class Composed(Struct, frozen=True):
    """A message made to fit, what it names, and why the template failed, if it did: then the
    built-in text stands in for it.
    """

    message: Message
    contents: Contents
    failed: str = ""


def compose(
    send: Send,
    situation: Situation,
    templates: Templates,
    form: Form,
    calls: tuple[float, ...] = (),
) -> Composed:
    """The message of the step. `calls` are the times of the last calls of its chat, ascending.
    Never raises."""
    capacity = digest.capacity(situation.limits, 60.0)
    pace = Pace(0 if math.isinf(capacity) else int(capacity), calls)
    match send.card.group:
        case group if group == DIGEST:
            view = _digest_view(send, situation, pace)
            return _composed_digest(view, situation, templates, form)
        case group if group == QUIET:
            return _composed_digest(_summary_view(send, situation), situation, templates, form)
        case _:
            return _composed_card(send, situation, templates, form, pace)


def _composed_card(
    send: Send,
    situation: Situation,
    templates: Templates,
    form: Form,
    pace: Pace,
) -> Composed:
    card, state, policy = send.card, situation.state, situation.policy
    memory, now = situation.memory, situation.now
    view = build_view(card, state, send.step, policy, now, memory, pace)
    reply = send.step.kind if isinstance(send.step, Reply) else None
    part: Literal["card", "reply"] = "reply" if reply else "card"
    rendered = render(templates, situation.policy, view, part, reply, form)
    return Composed(rendered.message, Contents(counted=rendered.counted), rendered.failed)


def _composed_digest(
    view: DigestView,
    situation: Situation,
    templates: Templates,
    form: Form,
) -> Composed:
    rendered = render_digest(templates, situation.policy, view, form)
    return Composed(rendered.message, Contents(named=rendered.named), rendered.failed)


def _digest_view(send: Send, situation: Situation, pace: Pace) -> DigestView:
    limits, now, lines = situation.limits, situation.now, situation.lines
    if isinstance(send.step, Reply):
        new = digest.view(send.card, digest.joined(lines), limits, now, None)
        return replace(new, joined=True)
    why = late(send.card, situation.state, now, pace)
    return digest.view(send.card, lines, limits, now, why)


def _summary_view(send: Send, situation: Situation) -> DigestView:
    limits, now = situation.limits, situation.now
    view = digest.view(send.card, situation.lines, limits, now, None, "quiet")
    silent = sum(line.status == "firing" and not line.urgent for line in situation.lines)
    return replace(view, silent=silent)
