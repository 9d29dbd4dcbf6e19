"""The engine for several replicas: one PostgreSQL, to which each of them connects."""
