"""The built-in text without a template: it is sent when the template of a receiver failed."""

from collections.abc import Iterator, Mapping

from relay.core.card.view import AlertView
from relay.core.label_names import tier
from relay.core.template import labels_shown as telling
from relay.core.template.context import ContextShape, TemplateContext
from relay.core.template.fitting import Drawn, Fitted, fit
from relay.core.text.message import Form, Message
from relay.core.text.richtext import RichText, concat, join, shorten

_MOST_WHY = 200
_MOST_LABELLED = 10  # alerts of a card; with more of them, labels would hide who is ill
_NAMES = frozenset({"mark", "state", "name", "count", "subject_plain", "more"})
_SEEN = 4  # times the limit; white space may be dropped


def plain(scene: TemplateContext, template: str, why: str, form: Form) -> Fitted:
    """Name, state, severity, subject, summary, times, links and labels without any style but links,
    and why the template is not used (may be empty).
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
    limit, view = context_shape.limit, scene.view
    lines: list[RichText | str] = [_shortened(_head(names), limit)]
    lines += (_shortened(scene.said, limit), _times(scene))
    if len(view.alerts) == 1:
        lines += _labels(view.alerts[0].labels, limit) if context_shape.full else ()
    else:
        for at, alert in enumerate(view.alerts[: context_shape.shown]):
            in_full = at < context_shape.full and len(view.alerts) <= _MOST_LABELLED
            lines += _alert(scene, alert, limit, in_full=in_full)
        lines += _labels(view.common_labels, limit) if context_shape.full else ()
    lines.append(_rich(names["more"]))
    if context_shape.full:
        lines.append(join(" · ", scene.links))
    lines += scene.notes
    return Message(body=join("\n", [line for line in (*lines, failure) if _rich(line).text]))


def _head(names: Mapping[str, object]) -> str:
    """The first line: mark, state, name, how many, and the subject."""
    told = concat([_rich(names[key]) for key in ("name", "count", "subject_plain")]).text
    return f"{_rich(names['mark']).text} {_rich(names['state']).text} {told}"


def _times(scene: TemplateContext) -> RichText:
    """Since when the alerts fire, or when they ended."""
    view, reader = scene.view, scene.reader
    if view.status == "firing":
        return reader.since(view.since)
    start, end = reader.time(view.since).rich(), reader.time(view.until or 0.0).rich()
    if not view.since:
        return reader.say("until", end=end)
    age = str(reader.age(view.since, view.until))
    return reader.say("from_to", start=start, end=end, age=age)


def _alert(scene: TemplateContext, alert: AlertView, limit: int, *, in_full: bool) -> Iterator[str]:
    """The line of an alert among others: mark, name, the values in which it differs, what is wrong
    with it; in full also the labels that it does not share with all of them.
    """
    summary = telling.summary(alert.annotations, "")
    name = alert.labels.get("alertname") or scene.reader.say("unnamed").text
    who = scene.subject_of(alert).telling
    mark = telling.mark(alert.status, alert.labels.get("severity", ""))
    line = " · ".join(part for part in (f"{mark} {name}", who) if part)
    yield _shortened(f"{line}: {summary}" if summary and summary != scene.said else line, limit)
    if in_full:
        common = scene.view.common_labels
        own = {name: value for name, value in alert.labels.items() if common.get(name) != value}
        yield from (f"    {line}" for line in _labels(own, limit))


def _labels(labels: Mapping[str, str], limit: int) -> list[str]:
    """One label a line, those that say who is ill first."""
    ordered = sorted(labels.items(), key=lambda item: (tier(item[0]), item[0]))
    return [_shortened(f"{name}={value}", limit) for name, value in ordered if name != "alertname"]


def _shortened(line: str, limit: int) -> str:
    """The beginning of the line. No more of a long one is read."""
    seen = telling.one_line(line[: _SEEN * limit])
    text = f"{seen} …" if len(line) > _SEEN * limit and len(seen) < limit else seen
    return shorten(RichText(text), limit, lambda part: len(part.text)).text


def _squeezed(scene: TemplateContext, form: Form) -> Fitted:
    """Mark, state, name and count in as few characters as possible."""
    names = scene.names(ContextShape(0, 0, 0), _NAMES)
    text = RichText(" ".join(_rich(names[key]).text for key in ("mark", "state", "name", "more")))
    limit = len(text.text)
    while limit > 1 and not form.fits(Message(body=text)):
        limit //= 2
        text = shorten(text, limit, lambda part: len(part.text))
    return ContextShape(0, 0, 0), Message(body=text)


def _rich(value: object) -> RichText:
    return value if isinstance(value, RichText) else RichText(str(value))
