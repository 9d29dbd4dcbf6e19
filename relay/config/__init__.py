"""The configuration: parsed, resolved and written."""
