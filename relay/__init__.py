"""Alertmanager webhooks to Telegram and Discord: nothing lost, one living message per incident."""

__version__ = "0.1.0"
