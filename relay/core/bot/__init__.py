"""The conversations of a bot: updates, commands, and people who subscribe."""
