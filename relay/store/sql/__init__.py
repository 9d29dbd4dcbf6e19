"""The statements of the store, in SQL that both engines understand."""
