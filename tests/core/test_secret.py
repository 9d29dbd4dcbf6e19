"""A secret never prints itself, whatever is done with it or goes wrong around it."""

import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest
from msgspec import Struct

from relay.core.secret import Secret

CANARY = "1000001:canary"
SECRET = Secret(CANARY)


class Holder(Struct, frozen=True):
    """Something that has a secret in it."""

    token: Secret


PRINTED: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "bytes": lambda: str(str(SECRET).encode()),
    "format": lambda: format(SECRET),
    "a width": lambda: f"{SECRET:>20}",
    "!r": lambda: f"{SECRET!r}",
    "!s": lambda: f"{SECRET!s}",
    "!a": lambda: f"{SECRET!a}",
    "percent": lambda: "%s %r %a" % (SECRET, SECRET, SECRET),  # noqa: UP031 - the old way is what is tried
    "str.format": lambda: "{0} {0!r}".format(SECRET),  # noqa: UP032 - likewise
    "a list": lambda: repr([SECRET]),
    "a dict": lambda: repr({SECRET: SECRET}),
    "a struct": lambda: repr(Holder(SECRET)),
    "its mark": lambda: f"<secret>{SECRET.mark}",
}


@pytest.mark.parametrize("print_", PRINTED.values(), ids=PRINTED)
def test_printed_in_any_way_it_shows_that_it_is_one_and_no_more(print_: Callable[[], str]) -> None:
    shown = print_()
    assert "<secret>" in shown
    assert "canary" not in shown


WRITTEN: dict[str, Callable[[object], object]] = {
    "json": json.dumps,
    "msgspec json": msgspec.json.encode,
    "msgspec msgpack": msgspec.msgpack.encode,
    "msgspec builtins": msgspec.to_builtins,
    "pickle": pickle.dumps,
    "copy": copy.deepcopy,
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(
    "value", [SECRET, Holder(SECRET), [SECRET]], ids=["alone", "struct", "list"]
)
def test_it_is_not_serialised(write: Callable[[object], object], value: object) -> None:
    with pytest.raises(TypeError) as caught:
        write(value)
    assert "canary" not in str(caught.value)


def test_neither_a_traceback_with_its_variables_nor_a_log_shows_it() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("alone")
    logger.addHandler(logging.StreamHandler(stream))
    try:
        fail(SECRET)
    except ValueError as error:
        logger.exception("failed with %s and %r", SECRET, Holder(SECRET))
        stream.write(
            "".join(
                traceback.TracebackException.from_exception(error, capture_locals=True).format()
            )
        )
    assert "<secret>" in stream.getvalue()
    assert "canary" not in stream.getvalue()


def fail(token: Secret) -> None:
    raise ValueError(token)


def test_two_are_equal_by_their_texts_and_told_apart_by_marks_that_give_nothing_away() -> None:
    assert Secret(CANARY) == SECRET
    assert hash(SECRET) == hash(Secret(CANARY))
    assert Secret("other") != SECRET
    assert SECRET != CANARY
    assert SECRET.mark == Secret(CANARY).mark != Secret("other").mark
    assert len(SECRET.mark) == 16
    assert SECRET.reveal() == CANARY
