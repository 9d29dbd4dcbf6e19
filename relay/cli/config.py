"""`config schema`: the JSON Schema of relay.yml, for editors."""

import argparse
import json

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from relay.cli.base import GOOD, say
from relay.config.schema import File


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
    """The schema as it stands in config/relay.schema.json."""
    schema = File.model_json_schema(schema_generator=_Schema)
    return json.dumps({"$schema": _Schema.schema_dialect, **schema}, indent=2)


class _Schema(GenerateJsonSchema):
    """pydantic's generator without titles made from names and without defaults that say nothing: no
    value is no key.
    """

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None or isinstance(schema["default"], BaseModel):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)
