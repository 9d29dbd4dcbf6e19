"""The built-in plain text: what goes out when a template failed or a platform refuses any
markup.
"""

from relay.core.card.view import AlertView
from relay.core.template import labels_shown as telling
from relay.core.template.context import ContextShape, TemplateContext
from relay.core.template.fitting import Drawn, Fitted, fit
from relay.core.text.message import Form, Message
from relay.core.text.richtext import RichText, shorten

_MOST_WHY = 200
_NAMES = frozenset({"mark", "state", "name", "more"})
_SEEN = 4  # times the limit: white space may fall away


def plain(scene: TemplateContext, template: str, why: str, form: Form) -> Fitted:
    """Name, state, severity, summary and labels without any style, and why the template is not used
    (may be empty).
    """
    failure = (
        scene.reader.say("failed", template=template, why=telling.one_line(why)[:_MOST_WHY]).text
        if why
        else ""
    )
    fitted = fit(
        lambda context_shape: Drawn(_draw(scene, context_shape, failure)),
        form,
        len(scene.view.alerts),
    )
    return fitted or _squeezed(scene, form)


def _draw(scene: TemplateContext, context_shape: ContextShape, failure: str) -> Message:
    names = scene.names(context_shape, _NAMES)
    told = enumerate(scene.view.alerts[: context_shape.shown])
    lines = [
        line
        for at, alert in told
        for line in _alert(scene, alert, context_shape.limit, in_full=at < context_shape.full)
    ]
    lines.append(_text(names["more"]))
    lines += [_text(note) for note in scene.notes]
    return Message(body=RichText("\n".join(line for line in (*lines, failure) if line)))


def _alert(scene: TemplateContext, alert: AlertView, limit: int, *, in_full: bool) -> list[str]:
    """A line with mark, state, name and summary; in full, a line with all labels."""
    severity = alert.labels.get("severity", "")
    name = alert.labels.get("alertname") or scene.reader.say("unnamed").text
    state = (
        severity if alert.status == "firing" and severity else scene.reader.say(alert.status).text
    )
    summary = telling.summary(alert.annotations, "")
    head = f"{telling.mark(alert.status, severity)} {state} {name}"
    labels = ", ".join(
        f"{key}={value}" for key, value in sorted(alert.labels.items()) if key != "alertname"
    )
    lines = [f"{head}: {summary}" if summary else head, *([labels] if in_full else [])]
    return [_shortened(line, limit) for line in lines]


def _shortened(line: str, limit: int) -> str:
    """The beginning of the line; of a long one no more is looked at."""
    seen = telling.one_line(line[: _SEEN * limit])
    text = f"{seen} …" if len(line) > _SEEN * limit and len(seen) < limit else seen
    return shorten(RichText(text), limit, lambda part: len(part.text)).text


def _squeezed(scene: TemplateContext, form: Form) -> Fitted:
    """Mark, state, name and count in as few characters as it takes."""
    names = scene.names(ContextShape(0, 0, 0), _NAMES)
    text = RichText(" ".join(_text(names[key]) for key in ("mark", "state", "name", "more")))
    limit = len(text.text)
    while limit > 1 and not form.fits(Message(body=text)):
        limit //= 2
        text = shorten(text, limit, lambda part: len(part.text))
    return ContextShape(0, 0, 0), Message(body=text)


def _text(value: object) -> str:
    return value.text if isinstance(value, RichText) else str(value)
