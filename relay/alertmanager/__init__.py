"""Alertmanager's API v2: silences are written, and what it suppresses is read."""
