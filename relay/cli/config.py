"""`config schema`: the JSON Schema of relay.yml, for editors."""

import argparse
import json

from relay.cli.base import GOOD, say
from relay.core.schema import File


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    schema = verbs.add_parser("schema", help="print the JSON Schema of the configuration, for editors")
    schema.set_defaults(run=print_schema)


def print_schema(_: argparse.Namespace) -> int:
    """Prints the schema."""
    say(schema_text())
    return GOOD


def schema_text() -> str:
    """The schema as it stands in config/relay.schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **File.model_json_schema()}
    return json.dumps(schema, indent=2)
