"""A local Telegram and Discord that keep the real limits, errors and rate rules: for the demo and
the tests.
"""
