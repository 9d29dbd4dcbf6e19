"""The rules: pure functions and frozen values, with no clock, socket, disk, log, async or
environment.
"""
