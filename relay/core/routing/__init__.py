"""Who gets an alert: matchers, routes, lanes and hours."""
