"""Incoming requests: connections, authentication, and webhook bodies that become committed
deliveries.
"""
