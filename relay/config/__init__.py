"""The configuration: read, meant, and written."""
