"""What a reader types: the fields of a form as text, bounded and never on disk; labels, a position
in the history, and a time.
"""

import re
from datetime import UTC, datetime

from aiohttp import BodyPartReader, web

MOST_FORM = 1 << 20  # bytes


async def form_of(request: web.BaseRequest) -> dict[str, str] | None:
    """The fields of a `multipart/form-data` body, files included; None if it is larger than
    MOST_FORM, has no size, or is another kind of form.
    """
    if (request.content_length or MOST_FORM + 1) > MOST_FORM:
        return None
    if request.content_type != "multipart/form-data":
        return None
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name:
            text = bytes(await part.read()).decode(errors="replace")
            fields[part.name] = text or fields.get(part.name, "")
    return fields


def labels_of(text: str) -> tuple[tuple[str, str], ...] | None:
    """`a=b c="d e"` as labels; None if it is something else."""
    found = re.findall(r'([A-Za-z_][A-Za-z0-9_]*)=("[^"]*"|[^\s,]*)', text)
    rest = re.sub(r'([A-Za-z_][A-Za-z0-9_]*)=("[^"]*"|[^\s,]*)', "", text).strip(" ,")
    return None if rest else tuple((name, value.strip('"')) for name, value in found)


def place_of(text: str) -> str:
    """The position of a page in the history, if it is one."""
    return text if re.fullmatch(r"\d{1,19}(?:\.\d{1,19}){1,2}", text) else ""


def moment_of(text: str, now: float) -> float | None:
    """A time in RFC 3339; now if none is given, None if it is another text."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return now
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
