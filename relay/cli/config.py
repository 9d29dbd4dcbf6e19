"""`config schema`: the JSON Schema of relay.yml, for editors."""

import argparse
import ast
import inspect
import json
from contextlib import suppress
from itertools import pairwise

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from relay.cli.base import GOOD, say
from relay.config.schema import file_model
from relay.platforms import PLATFORMS


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    schema = verbs.add_parser(
        "schema", help="print the JSON Schema of the configuration, for editors"
    )
    schema.set_defaults(run=print_schema)


def print_schema(_: argparse.Namespace) -> int:
    say(schema_text())
    return GOOD


def schema_text() -> str:
    """The schema in config/relay.schema.json."""
    schema = file_model(PLATFORMS).model_json_schema(schema_generator=_Schema)
    return json.dumps({"$schema": _Schema.schema_dialect, **schema}, indent=2)


class _Schema(GenerateJsonSchema):
    """pydantic's generator, without titles made from names, and without null as a default, which
    means a missing key. The docstrings of a model's fields are their descriptions.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        written = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        told = field_docs(model)
        for name, info in model.model_fields.items():
            key = info.alias or name
            if name in told and key in written.get("properties", {}):
                written["properties"][key].setdefault("description", told[name])
        return written

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None or isinstance(schema["default"], BaseModel):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The docstring of each field, with those of its bases.

    pydantic would read them from the source at each start of the relay.
    """
    told: dict[str, str] = {}
    for each in reversed(model.__mro__):
        origin = getattr(each, "__pydantic_generic_metadata__", {}).get("origin") or each
        if issubclass(origin, BaseModel) and origin is not BaseModel:
            with suppress(OSError):  # a model made at run time has no source; its bases have one
                told |= _told_by(ast.parse(inspect.cleandoc("\n" + inspect.getsource(origin))))
    return told


def _told_by(source: ast.Module) -> dict[str, str]:
    """The docstring below each field of the class."""
    body = source.body[0].body if isinstance(source.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
