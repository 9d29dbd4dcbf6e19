"""Reads the configuration and its files, watches them, and checks templates in another process."""
