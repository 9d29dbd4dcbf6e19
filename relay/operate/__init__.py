"""Operation: log, metrics, notices, the admin socket, housekeeping."""
