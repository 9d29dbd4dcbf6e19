"""What operators see and say: log, metrics, notices, the admin socket, housekeeping."""
