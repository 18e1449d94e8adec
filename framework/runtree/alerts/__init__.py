"""Channels of alerts: console, webhook, e-mail."""
