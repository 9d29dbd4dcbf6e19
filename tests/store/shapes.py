"""The shapes of the values that are stored as JSON: names, types and defaults of their fields."""

import json
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import msgspec
from msgspec import inspect

import relay.store.sql
from relay.store.postgres.formats import FORMATS

KEPT = Path(__file__).parent / "kept"
Shapes = dict[str, dict[str, str]]
"""By the name of a class: its fields with types and defaults; `$` is how it is written."""


def stored_types() -> Iterator[type]:
    """What the store decodes, but for views of its own on a part of a value."""
    for found in pkgutil.iter_modules(relay.store.sql.__path__):
        module = import_module(f"relay.store.sql.{found.name}")
        for each in vars(module).values():
            decoder = getattr(each, "__self__", None)
            if isinstance(decoder, msgspec.json.Decoder):
                sort = decoder.type
                if not getattr(sort, "__name__", "").startswith("_"):
                    yield sort


def shapes() -> Shapes:
    """The shapes of all stored values."""
    return shapes_of(stored_types())


def shapes_of(types: Iterable[type]) -> Shapes:
    """The shapes of these types, and of all classes in them."""
    found = _Found()
    for sort in types:
        found.shape(inspect.type_info(sort))
    return dict(sorted(found.shapes.items()))


class _Found:
    """Classes that were found, by their names."""

    def __init__(self) -> None:
        self.shapes: Shapes = {}
        self._classes: dict[str, type] = {}

    def shape(self, told: inspect.Type) -> str:
        """The type in words; classes in it are added."""
        match told:
            case inspect.Metadata(type=inner):
                return self.shape(inner)
            case inspect.StructType():
                return self._class(told.cls, _how(told), told.fields)
            case inspect.NamedTupleType():
                return self._class(told.cls, "array", told.fields)
            case inspect.UnionType():
                return " | ".join(sorted(map(self.shape, told.types)))
            case inspect.LiteralType():
                return " | ".join(sorted(map(repr, told.values)))
            case inspect.EnumType():
                return " | ".join(sorted(repr(each.value) for each in told.cls))
            case inspect.TupleType():
                return f"[{', '.join(map(self.shape, told.item_types))}]"
            case inspect.CollectionType():
                return f"[{self.shape(told.item_type)}, ...]"
            case inspect.DictType():
                return f"{{{self.shape(told.key_type)}: {self.shape(told.value_type)}}}"
            case _:
                return type(told).__name__.removesuffix("Type").lower()

    def _class(self, cls: type, how: str, fields: tuple[inspect.Field, ...]) -> str:
        name = cls.__name__
        assert self._classes.setdefault(name, cls) is cls, f"two stored classes are named {name}"
        if name not in self.shapes:
            told = self.shapes[name] = {"$": how} if how else {}
            for field in fields:
                told[field.encode_name] = self.shape(field.type) + _default(field)
        return name


def _how(told: inspect.StructType) -> str:
    how = {
        f"tag {told.tag_field}={told.tag}": told.tag_field is not None,
        "array": told.array_like,
        "no other fields": told.forbid_unknown_fields,
        "defaults left out": told.cls.__struct_config__.omit_defaults,
    }
    return ", ".join(each for each, holds in how.items() if holds)


def _default(field: inspect.Field) -> str:
    if field.required:
        return ""
    if field.default_factory is not msgspec.NODEFAULT:
        return f" = {msgspec.json.encode(field.default_factory()).decode()}"
    return f" = {msgspec.json.encode(field.default).decode()}"


def differences(before: Shapes, now: Shapes) -> list[str]:
    """What is not as it was, one line for each field."""
    lines = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            lines.append(f"{name} is {'new' if old is None else 'gone'}")
            continue
        lines += [
            f"{name}.{field}: {old.get(field, 'nothing')} became {new.get(field, 'nothing')}"
            for field in sorted({*old, *new})
            if old.get(field) != new.get(field)
        ]
    return lines


def kept_shapes(number: int) -> Shapes | None:
    """Those of a format; None: they were not kept yet."""
    path = _file(number)
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def keep_shapes() -> None:
    """Keeps those of the newest format, once: a format never changes."""
    if not _file(FORMATS.newest).exists():
        _file(FORMATS.newest).write_text(f"{json.dumps(shapes(), indent=1)}\n", encoding="utf-8")


def _file(number: int) -> Path:
    return KEPT / f"format-{number}.json"
