"""Puts the configuration's schema into that of the chart's values, so that Helm refuses what the
relay would refuse.

python -m tests.ship.schema
"""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
VALUES, CONFIGURATION = (
    ROOT / "helm/alert-relay/values.schema.json",
    ROOT / "config/relay.schema.json",
)


def with_configuration(values: str, configuration: str) -> str:
    """The text of the values' schema with this configuration's schema in it."""
    inner = json.loads(configuration)
    outer = json.loads(values)
    outer["$defs"] = inner["$defs"]
    model = {key: inner[key] for key in ("type", "required", "properties", "additionalProperties")}
    # As text it is for the relay alone to judge.
    outer["properties"]["config"] = {
        "type": ["object", "string"],
        "if": {"type": "string"},
        "else": model,
    }
    return json.dumps(outer, indent=2) + "\n"


if __name__ == "__main__":
    VALUES.write_text(with_configuration(VALUES.read_text(), CONFIGURATION.read_text()))
