"""A webhook body becomes notifications."""
