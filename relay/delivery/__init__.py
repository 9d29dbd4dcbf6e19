"""Outgoing messages: turns of lanes, calls, and their HTTP."""
