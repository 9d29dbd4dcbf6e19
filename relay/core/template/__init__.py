"""Templates: what they may be made of, what they see, and how a message comes of them."""
