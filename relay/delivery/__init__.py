"""What goes out: turns of lanes, calls, and the HTTP of them."""
