"""Multipart bodies: their fields and files."""

from email.message import Message as MimePart
from email.parser import BytesParser
from email.policy import HTTP

from msgspec import Struct


class File(Struct, frozen=True):
    """An uploaded file."""

    name: str
    content: bytes


def read(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, File]]:
    """The text fields and the files by field name."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    values: dict[str, str] = {}
    files: dict[str, File] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).walk():
        name = _parameter(part, "name")
        content = part.get_payload(decode=True)
        if not name or not isinstance(content, bytes):
            continue
        filename = _parameter(part, "filename")
        if filename:
            files[name] = File(filename, content)
        else:
            values[name] = content.decode(errors="replace")
    return values, files


def _parameter(part: MimePart, name: str) -> str:
    value = part.get_param(name, header="content-disposition")
    return value if isinstance(value, str) else ""
