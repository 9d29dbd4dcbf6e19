"""One file per chat platform: a step becomes a request, a response becomes an outcome. Pure."""
