"""A message as text that the reader of a diff understands: styles in guillemets, each part on its
own lines.
"""

from relay.core.text.message import Message
from relay.core.text.richtext import RichText

_NAMES = {"bold": "b", "italic": "i", "link": "a"}


def drawn(message: Message) -> str:
    """The message with its styles visible."""
    lines = [
        f"title: {_rich(message.title)}" if message.title.text else "",
        f"title_url: {message.title_url}" if message.title_url else "",
        f"color: #{message.color:06X}"
        if message.content.text and message.color is not None
        else "",
        f"content: {_rich(message.content)}" if message.content.text else "",
        _rich(message.body),
        *(f"field: {_rich(field.name)}: {_rich(field.value)}" for field in message.fields),
        f"footer: {_rich(message.footer)}" if message.content.text and message.footer.text else "",
    ]
    return "\n".join(line for line in lines if line)


def _rich(rich: RichText) -> str:
    marks: list[tuple[int, int, int, str]] = []
    for order, span in enumerate(rich.spans):
        name = _NAMES.get(span.kind, span.kind)
        value = f" {span.value}" if span.value else ""
        marks.append((span.start, 1, order, f"‹{name}{value}›"))
        marks.append((span.end, 0, -order, f"‹/{name}›"))
    pieces: list[str] = []
    position = 0
    for offset, _, _, mark in sorted(marks):
        pieces += (rich.text[position:offset], mark)
        position = offset
    return "".join(pieces) + rich.text[position:]
