"""The console: read-only pages about what the relay does and did."""
