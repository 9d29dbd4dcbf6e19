"""The reference of relay.yml, out of its models: a table for each, in the order in which the file
names them.
"""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from relay.cli.config import field_docs
from relay.config.schema import file_model
from relay.core.secret import Secret
from relay.platforms import PLATFORMS, scalar
from relay.platforms.entry import Entry, FileName, MentionOrWord, Shared
from relay.platforms.telegram.config import Chat

_NAMES: tuple[tuple[object, str], ...] = (
    (scalar.Matchers, "matchers"),
    (scalar.Texts, "text or list"),
    (scalar.Text, "text"),
    (scalar.Duration, "[duration](#values)"),
    (scalar.Size, "[size](#values)"),
    (scalar.RateText, "[rate](#values)"),
    (Secret, "secret"),
    (scalar.Timezone, "[timezone](#values)"),
    (scalar.Address, "address"),
    (scalar.Clock, "`HH:MM`"),
    (scalar.Moment, "[time](#values)"),
    (scalar.Weekdays, "weekdays"),
    (scalar.Days, "days"),
    (scalar.Months, "months"),
    (scalar.Years, "years"),
    (Chat, "number, or [by label](#chosen-by-a-label)"),
    (FileName, "file, or [by label](#chosen-by-a-label)"),
    (MentionOrWord, "[Mention](#mention) or word"),
    (str, "text"),
    (bool, "true or false"),
    (int, "number"),
    (dict[str, scalar.Text], "labels"),
)
_BASES: tuple[type[BaseModel], ...] = (Entry, Shared)
_DEFAULT = re.compile(r" ?\(([^()]*(?:\([^()]*\)[^()]*)*)\)\.$")


class Key(NamedTuple):
    """A key as the reference shows it. `default` is empty when there is none to show."""

    model: str
    name: str
    kind: str
    default: str
    text: str


def tables() -> str:
    """A heading and a table for each model."""
    return "\n".join(line for model in models(file_model(PLATFORMS)) for line in _table(model))


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and all that it holds, each once."""
    found = [root]
    for model in found:
        found += [base for base in _bases(model) if base not in found]
        for hint in get_type_hints(model, include_extras=True).values():
            found += [inner for inner in _models_of(hint) if inner not in found]
    return found


def keys(model: type[BaseModel]) -> list[Key]:
    """The keys of a model, as they are written in the file; those that it shares with others stand
    in a base.
    """
    hints = get_type_hints(model, include_extras=True)
    shared = {name for base in _bases(model) for name in base.model_fields}
    return [
        _key(model, name, info, hints[name])
        for name, info in model.model_fields.items()
        if name not in shared
    ]


def _bases(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [base for base in _BASES if issubclass(model, base) and model is not base]


def _models_of(hint: object) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        if hint.__name__ not in ("ChatByLabel", "FileByLabel"):
            yield hint
        return
    for inner in get_args(hint):
        yield from _models_of(inner)


def _key(model: type[BaseModel], name: str, info: FieldInfo, hint: object) -> Key:
    text = " ".join((info.description or field_docs(model).get(name, "")).split())
    said = _DEFAULT.search(text)
    if said:
        text = text[: said.start()] + "."
    default = said[1] if said else _default(info)
    return Key(model.__name__, info.alias or name, _kind(hint), default, text)


def _default(info: FieldInfo) -> str:
    value: Any = info.default
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(hint: object) -> str:
    known = next((name for kind, name in _NAMES if hint == kind), "")
    if known:
        return known
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, UnionType):
        return _kind(next(each for each in inner if each is not type(None)))
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{_kind(inner[1])} by name"
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner if each)
    assert isinstance(hint, type), hint
    assert issubclass(hint, BaseModel), hint
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield f"### {model.__name__}"
    also = [f"[{base.__name__}](#{base.__name__.lower()})" for base in _bases(model)]
    yield (
        " ".join((model.__doc__ or "").split()).partition(". ")[0].rstrip(".")
        + "."
        + (f" Also the keys of {' and '.join(also)}." if also else "")
    )
    yield ""
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for key in keys(model):
        default = f"`{key.default}`" if key.default and key.default != "needed" else key.default
        yield (
            f"| `{key.name}` | {key.kind} | {default.replace('|', '&#124;')} | "
            f"{key.text.replace('|', '&#124;')} |"
        )
    yield ""
