"""What comes in: connections, who may, and webhook bodies that become committed deliveries."""
