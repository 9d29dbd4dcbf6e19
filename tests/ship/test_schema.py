"""The schema of the chart's values knows them all, and holds the relay's own for its
configuration.
"""

import json
from collections.abc import Iterator

import yaml

from tests.ship.charts import CHART, Object, table
from tests.ship.schema import CONFIGURATION, VALUES, with_configuration


def test_the_schema_knows_every_value_and_only_values_that_exist() -> None:
    schema = json.loads(VALUES.read_text())
    assert set(keys(yaml.safe_load((CHART / "values.yaml").read_text()), schema)) == {
        key for key in described(schema) if not key.startswith((".global", ".config."))
    }


def keys(given: Object, schema: Object, path: str = "") -> Iterator[str]:
    properties = table(schema, "properties")
    for key, value in given.items():
        yield f"{path}.{key}"
        inner = properties[key]
        if isinstance(inner, dict) and "properties" in inner and isinstance(value, dict):
            yield from keys(value, inner, f"{path}.{key}")


def described(schema: Object, path: str = "") -> Iterator[str]:
    for key, inner in table(schema, "properties").items():
        yield f"{path}.{key}"
        if isinstance(inner, dict) and "properties" in inner:
            yield from described(inner, f"{path}.{key}")


def test_the_schema_holds_that_of_the_configuration() -> None:
    """When it does not: python -m tests.ship.schema."""
    assert VALUES.read_text() == with_configuration(VALUES.read_text(), CONFIGURATION.read_text())
