"""Acting from the chat: who may, what a press does, silences, escalation and heartbeats."""
