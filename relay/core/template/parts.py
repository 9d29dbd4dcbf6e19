"""Drawing: runs the parts of a compiled template and makes the message."""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple

import jinja2

from relay.core.template.context import ContextShape, TemplateContext
from relay.core.template.digest_context import DigestContext
from relay.core.template.sandbox import RUN, Run
from relay.core.text.markup import MarkupError, MarkupName, parse
from relay.core.text.message import EMPTY, Field, Message
from relay.core.text.richtext import CLOSE, OPEN, RichText, cut, join, strip, substitute, without

_COLOR = re.compile(r"(?:#|0x)([0-9a-fA-F]{6})|([0-9]{1,8})")
_VALUES = re.compile(f"(?:{OPEN}[0-9]+{CLOSE})+")
_ALWAYS = frozenset({"notes"})


class TemplateError(ValueError):
    """A template that failed: `template` and `line` say where."""

    def __init__(self, template: str, line: int, message: str) -> None:
        """`message` is the whole text."""
        super().__init__(message)
        self.template = template
        self.line = line


class Part(NamedTuple):
    """One compiled block. `uses` are the names it mentions, `only` is the one that it prints if it
    does nothing else, `source` is the file that contains it.
    """

    name: str
    file: str
    source: str
    template: jinja2.Template
    uses: frozenset[str]
    only: str
    markup: MarkupName


def draw(parts: Mapping[str, Part], scene: TemplateContext, context_shape: ContextShape) -> Message:
    """The card in that shape, made from the parts. Raises TemplateError."""
    names = scene.names(context_shape, _used(parts))
    title = _written(parts, "title", scene, names, context_shape)
    url = next((span.value for span in title.spans if span.kind == "link"), "")
    return Message(
        body=_honest(parts["card"], _written(parts, "card", scene, names, context_shape), names),
        title=without(title, {"link"}),
        title_url=url,
        fields=_fields(parts, scene, names, context_shape),
        footer=_written(parts, "footer", scene, names, context_shape),
        content=_written(parts, "content", scene, names, context_shape),
        color=_color(parts, _written(parts, "color", scene, names, context_shape)),
        timestamp=scene.view.since or None,
    )


def draw_reply(
    parts: Mapping[str, Part], scene: TemplateContext, context_shape: ContextShape
) -> Message:
    """The one line of a reply. Raises TemplateError."""
    names = scene.names(context_shape, _used(parts))
    return Message(body=_written(parts, "reply", scene, names, context_shape))


def draw_digest(
    parts: Mapping[str, Part], scene: DigestContext, context_shape: ContextShape
) -> Message:
    """The digest in that shape. Raises TemplateError."""
    names = scene.names(context_shape)
    color = names["color"]
    return Message(
        body=_honest(
            parts["digest"], _written(parts, "digest", scene, names, context_shape), names
        ),
        color=color if isinstance(color, int) else None,
        timestamp=scene.view.since,
    )


def _written(
    parts: Mapping[str, Part],
    name: str,
    scene: TemplateContext | DigestContext,
    names: Mapping[str, object],
    context_shape: ContextShape,
) -> RichText:
    if name not in parts:
        return EMPTY
    rich, values = _run(parts[name], scene, names, context_shape)
    return strip(substitute(rich, values))


def _run(
    part: Part,
    scene: TemplateContext | DigestContext,
    names: Mapping[str, object],
    context_shape: ContextShape,
) -> tuple[RichText, list[RichText | str]]:
    """The part's output as rich text with placeholders, and their values."""
    run = Run(scene.reader, context_shape.limit, scene.policy.link_rewrites)
    try:
        output = _output(part, names, run)
    except Exception as error:  # noqa: BLE001 - an expression of a template may raise anything at all
        raise TemplateError(part.file, _line(error.__traceback__, part), _said(error)) from None
    scene.longest = max(scene.longest, run.longest)
    try:
        return parse(output, part.markup), run.values
    except MarkupError as error:
        place = _place(part.source, output, error.offset)
        raise TemplateError(part.file, place, f"block {part.name}: {error}") from None


def _output(part: Part, names: Mapping[str, object], run: Run) -> str:
    """What the part prints, with placeholders."""
    value = names.get(part.only)
    if isinstance(value, (str, int, RichText)):  # the others may fail, and Jinja knows the line
        return "".join((run.keep(value),))
    told = {**part.template.globals, **names, RUN: run}
    context = part.template.new_context(told, shared=True)
    return "".join(part.template.root_render_func(context))


def _used(parts: Mapping[str, Part]) -> frozenset[str]:
    """The names that the blocks mention, and those that the notes of a card need."""
    return _ALWAYS.union(*(part.uses for part in parts.values()))


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "a macro calls itself without end"
    return str(error) or type(error).__name__


def _line(trace: TracebackType | None, part: Part) -> int:
    """The line of the template at which it failed."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == part.file:
            line = part.template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _place(source: str, output: str, offset: int) -> int:
    """The line of the source with the words around this position of the output."""
    start = max(output.rfind(mark, 0, offset) for mark in ("\n", CLOSE)) + 1
    rest = re.split(f"[\n{OPEN}]", output[offset : offset + 20], maxsplit=1)[0]
    for words in (output[start:offset] + rest, rest, output[start:offset]):
        found = source.find(words.strip()) if words.strip() else -1
        if found >= 0:
            return source.count("\n", 0, found) + 1
    return 1


def _honest(part: Part, body: RichText, names: Mapping[str, object]) -> RichText:
    """The card, with the notes that its template does not show itself: how many alerts are hidden,
    that it is late, and the like.
    """
    lines = [body]
    if (
        "more" not in part.uses
        and "hidden" not in part.uses
        and isinstance(names["more"], RichText)
    ):
        lines.append(names["more"])
    notes = names["notes"]
    if "notes" not in part.uses and "late" not in part.uses and isinstance(notes, list):
        lines += notes
    return join("\n", [line for line in lines if line.text])


def _fields(
    parts: Mapping[str, Part],
    scene: TemplateContext,
    names: Mapping[str, object],
    context_shape: ContextShape,
) -> tuple[Field, ...]:
    """Each line `Name: value` of the block is a field. A value that is put in may have several
    lines.
    """
    if "fields" not in parts:
        return ()
    rich, values = _run(parts["fields"], scene, names, context_shape)
    fields: list[Field] = []
    start = 0
    for line in rich.text.split("\n"):
        name, colon, _ = line.partition(":")
        label = strip(substitute(cut(rich, start, start + len(name)), values))
        value = strip(
            substitute(cut(rich, start + len(name) + len(colon), start + len(line)), values)
        )
        if label.text and value.text:
            fields.append(Field(label, value))
        elif line.strip() and not colon:
            shown = _VALUES.sub("…", line)[:40]
            place = _place(parts["fields"].source, rich.text, start)
            raise TemplateError(
                parts["fields"].file,
                place,
                f"block fields: each line is `Name: value`, not {shown!r}",
            )
        start += len(line) + 1
    return tuple(fields)


def _color(parts: Mapping[str, Part], color: RichText) -> int | None:
    if not color.text:
        return None
    found = _COLOR.fullmatch(color.text)
    number = int(found[1], 16) if found and found[1] else int(found[2]) if found else -1
    if not 0 <= number <= 0xFFFFFF:
        raise TemplateError(
            parts["color"].file,
            1,
            f"block color: write a colour such as #E01E5A, not {color.text[:40]!r}",
        )
    return number
