"""A file upload: a request whose fields and file are sent as a form.
https://datatracker.ietf.org/doc/html/rfc7578
"""

from collections.abc import Mapping
from hashlib import blake2b

from msgspec.structs import replace

from relay.core.text.message import Attachment
from relay.platforms.http import Request


def upload(request: Request, fields: Mapping[str, bytes], part: str, file: Attachment) -> Request:
    """The request with a form of `fields` and the file, in the field `part`, as its body."""
    content = file.text.encode(errors="replace")
    parts = [f'name="{name}"\r\n\r\n'.encode() + value for name, value in fields.items()]
    kind = (
        f'name="{part}"; filename="{file.name}"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    )
    parts.append(kind.encode() + content)
    boundary = blake2b(
        b"".join(parts), digest_size=16
    ).hexdigest()  # a hash of the parts, so that none of them can contain it on purpose
    head = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
    body = b"".join(head + each + b"\r\n" for each in parts) + f"--{boundary}--\r\n".encode()
    return replace(request, body=body, content_type=f"multipart/form-data; boundary={boundary}")
