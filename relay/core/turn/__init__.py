"""One turn of a lane: what is to be done with the card at hand, and what came of doing it."""
