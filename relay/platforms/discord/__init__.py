"""Discord's webhooks."""
