"""The durable state: whole transactions behind one Protocol."""
