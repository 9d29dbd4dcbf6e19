"""Composing a turn: makes the message by which a step shows its card."""

import math
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from relay.core.action.escalation import ActingReply
from relay.core.action.keyboard import ButtonPlace, keyboard, lines
from relay.core.action.marks import NO_MARKS
from relay.core.action.pressed import button_place, card_name
from relay.core.action.rights import mentions_of
from relay.core.card import digest
from relay.core.card.card import Card
from relay.core.card.digest import DIGEST, QUIET, DigestView
from relay.core.card.failures import doubts_text
from relay.core.card.headline import headline
from relay.core.card.step import Edit, Reply
from relay.core.card.view import Late
from relay.core.routing.lane import LaneKey
from relay.core.template.build_view import Pace, build_view, late
from relay.core.template.template import Templates, render, render_digest
from relay.core.text.message import EMPTY, Buttons, Form, Message
from relay.core.text.richtext import RichText, concat, cut, join
from relay.core.text.texts_acting import act
from relay.core.text.times import Reader
from relay.core.turn.decide import Send, Situation
from relay.core.turn.finish import Contents


class Composed(Struct, frozen=True):
    """A message that fits, the cards or alerts that it names, and why the template failed, if it
    did: then it is the built-in text.
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
    if situation.wall_ahead:
        view = replace(view, now=situation.shown_now, late=_shown_late(view.late, situation))
    if isinstance(send.step, Edit) and send.step.goes_on is not None:
        told = act(policy.language, "goes_on", name=headline(card))
        return Composed(Message(EMPTY, content=told), Contents())
    reply = send.step.kind if isinstance(send.step, Reply) else None
    part: Literal["card", "reply"] = "reply" if reply else "card"
    if isinstance(send.step, Reply) and send.step.said:
        reader = Reader(policy.language, policy.timezone, situation.shown_now)
        bare = card.plain or doubts_text(card.failures)
        lane = situation.target.lane
        return Composed(_said(send.step.said, card, lane, reader, bare=bare), Contents())
    if reply:
        rendered = render(templates, policy, view, part, reply, form)
        return Composed(rendered.message, Contents(counted=rendered.counted), rendered.failed)
    acted = _acted(card, situation)
    room = Form(lambda message: form.excess(acted.on(message)), form.shows) if acted else form
    rendered = render(templates, policy, view, part, reply, room)
    message = acted.on(rendered.message) if acted else rendered.message
    return Composed(message, Contents(counted=rendered.counted), rendered.failed)


def _said(
    said: ActingReply, card: Card, lane: LaneKey, reader: Reader, *, bare: bool = False
) -> Message:
    """One line: which alerts nobody has taken and who is asked, or that they are no longer
    silenced. A `bare` one names no alert, since a name may be what does not pass.
    """
    values: dict[str, str] = {"age": str(reader.duration(said.age)), "name": said.name}
    text = act(reader.language, said.key, said.count or None, **values)
    sign = "🔔" if said.key == "silence_over" else "📣"
    others = [reader.say("others", len(said.others)).text] if bare else said.others
    told = concat(
        [
            f"{sign} ",
            *([] if bare else [headline(card), " · "]),
            text,
            *([": ", " · ".join(others)] if said.others else []),
        ]
    )
    return Message(told, mentions=mentions_of(said.mention, lane.platform))


class _Acted(Struct, frozen=True):
    """The part of a card's message that comes from acting: lines below its head, and buttons."""

    lines: tuple[RichText, ...]
    buttons: Buttons

    def on(self, message: Message) -> Message:
        """The message with these lines and buttons."""
        body = message.body
        if self.lines and (message.content.text or message.title.text):
            body = join("\n", [*self.lines, *([body] if body.text else [])])
        elif self.lines:
            end = body.text.find("\n")
            head = body if end < 0 else cut(body, 0, end)
            rest = [] if end < 0 else [cut(body, end + 1, len(body.text))]
            body = join("\n", [head, *self.lines, *rest])
        return replace(message, body=body, buttons=self.buttons)


def _acted(card: Card, situation: Situation) -> _Acted | None:
    """The part that comes from acting; None if there is none."""
    marks, policy, config = card.acting, situation.policy, situation.acting
    if marks == NO_MARKS:
        return None
    reader = Reader(policy.language, policy.timezone, situation.shown_now)
    buttons: Buttons = ()
    if marks.buttons and situation.button_key:
        lane = situation.target.lane
        where = ButtonPlace(
            button_place(lane, situation.state.chat),
            card_name(lane, card.group, card.fingerprint),
            card.folded_seq,
            situation.button_key,
        )
        buttons = keyboard(config, marks, card.group.source, where, reader)
    return _Acted(lines(marks, reader), buttons)


def _composed_digest(
    view: DigestView,
    situation: Situation,
    templates: Templates,
    form: Form,
) -> Composed:
    rendered = render_digest(templates, situation.policy, view, form)
    return Composed(rendered.message, Contents(named=rendered.named), rendered.failed)


def _shown_late(told: Late | None, situation: Situation) -> Late | None:
    ahead = situation.wall_ahead
    if told is None or not ahead:
        return told
    return replace(told, since=told.since + ahead, until=told.until + ahead)


def _digest_view(send: Send, situation: Situation, pace: Pace) -> DigestView:
    limits, now, lines = situation.limits, situation.shown_now, situation.lines
    if isinstance(send.step, Reply):
        new = digest.view(send.card, digest.joined(lines), limits, now, None)
        return replace(new, joined=True)
    why = _shown_late(late(send.card, situation.state, situation.now, pace), situation)
    return digest.view(send.card, lines, limits, now, why)


def _summary_view(send: Send, situation: Situation) -> DigestView:
    limits, now = situation.limits, situation.shown_now
    view = digest.view(send.card, situation.lines, limits, now, None, "quiet")
    silent = sum(line.status == "firing" and not line.urgent for line in situation.lines)
    return replace(view, silent=silent)
