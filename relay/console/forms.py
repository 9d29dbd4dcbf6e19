"""What a form brings: its fields as text, bounded, and never on disk."""

from aiohttp import BodyPartReader, web

MOST_FORM = 1 << 20  # bytes


async def form_of(request: web.BaseRequest) -> dict[str, str] | None:
    """The fields of a `multipart/form-data` body, those of files too; None when it is larger than
    MOST_FORM, says no size, or is another form."""
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
