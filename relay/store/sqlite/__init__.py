"""The embedded engine: one SQLite file, one connection, one thread."""
