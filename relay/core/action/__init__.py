"""Acting from the chat: rights, presses, silences, escalation and heartbeats."""
