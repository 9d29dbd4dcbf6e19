"""Alertmanager's API v2: writes silences, and reads what it suppresses."""
