"""Who gets an alert: matchers, routes, lanes and time intervals."""
