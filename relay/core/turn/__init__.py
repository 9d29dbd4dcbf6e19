"""One turn of a lane: the decision about the claimed card, and its result."""
