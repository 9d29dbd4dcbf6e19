"""Bots at work: updates are polled or posted, handled and answered."""
