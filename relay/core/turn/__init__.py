"""One turn of a lane: the decision about the card at hand, and its result."""
