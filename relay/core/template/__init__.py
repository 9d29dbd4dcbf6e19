"""Templates: the syntax that they may use, the values that they see, and how they become
messages.
"""
