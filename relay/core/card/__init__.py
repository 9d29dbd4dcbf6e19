"""What a chat shows of a group, and what is to be done so that it does."""
