"""The state of a group in a chat, and the steps that bring the chat to it."""
