"""The shape of a webhook body, checked before decoding: UTF-8, and JSON of bounded depth and number
of alerts.
"""

import re
from codecs import getincrementaldecoder
from itertools import accumulate

DEEPEST = 32
MOST_ALERTS = 1_000_000  # of 128 bytes each in the largest body
_SLICE = 1 << 20
_LONGEST_TEXT = 8 << 20

_NO_STRUCTURE = bytes(set(range(256)).difference(b'"[]{},'))
_NO_NESTING = _NO_STRUCTURE + b","
_STEPS = [(code in b"[{") - (code in b"]}") for code in range(256)]
_IS_COMMA = bytes(code == ord(",") for code in range(256))
_IS_IN_ALERTS = bytes(depth == 2 for depth in range(256))
# Half of a surrogate pair: a high one without a low one after it, or a low one without a high one
# before it.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\u(?:[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F]..)"
)
_NO_BACKSLASH = re.compile(rb"[^\\]")


class PayloadError(ValueError):
    """A body that is not a webhook payload. The message names the field or offset and repeats
    nothing of the body.
    """


def check_encoding(body: bytes) -> None:
    if body.isascii():
        return
    decoder = getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for start in range(0, len(body), _SLICE):
        try:
            decoder.decode(view[start : start + _SLICE], start + _SLICE >= len(body))
        except UnicodeDecodeError as error:
            raise PayloadError(f"the body is not UTF-8 near byte {start + error.start}") from None


def mended(body: bytes | bytearray) -> bytes | bytearray:
    """The body with a replacement character for each half of a surrogate pair.

    The body is cut at quotes, which no escape spans: one search through all of it would keep other
    requests waiting.
    """
    mended = bytearray()
    start = 0
    while start < len(body):
        end = body.find(b'"', start + _SLICE, start + _LONGEST_TEXT) + 1 or len(body)
        if end - start > _LONGEST_TEXT:
            return body
        mended += _LONE_SURROGATE.sub(rb"\1\\ufffd", body[start:end])
        start = end
    return mended


def check_shape(body: bytes) -> None:
    """Checks depth and number of alerts before anything is decoded. It reads slice by slice, so
    that a large body is not copied; the decoder reports what is not JSON. Commas, the largest part
    of the work, are counted only in a body that has room for too many alerts.
    """
    needless = _NO_NESTING if len(body) < 2 * MOST_ALERTS else _NO_STRUCTURE
    start = depth = listed = 0
    within = 0  # 1 if the slice begins inside a string
    while start < len(body):
        last = _NO_BACKSLASH.search(body, start + _SLICE)
        end = last.end() if last else len(body)
        bare = body[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, needless)
        pieces = bare.replace(b'""', b"").split(b'"')
        marks = b"".join(pieces[within::2])
        depths = tuple(accumulate(map(_STEPS.__getitem__, marks), initial=depth))
        if max(depths) > DEEPEST:
            raise PayloadError(f"the body nests deeper than {DEEPEST}")
        if min(depths) < 0:
            return
        listed += _count_both(
            marks.translate(_IS_COMMA), bytes(depths[1:]).translate(_IS_IN_ALERTS)
        )
        if listed >= MOST_ALERTS:
            raise PayloadError(f"alerts: more than {MOST_ALERTS}")
        depth = depths[-1]
        within ^= len(pieces) % 2 == 0
        start = end


def _count_both(one: bytes, other: bytes) -> int:
    """The number of places where both have a 1."""
    return (int.from_bytes(one, "big") & int.from_bytes(other, "big")).bit_count()
