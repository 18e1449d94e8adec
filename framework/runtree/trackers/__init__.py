"""Trackers that come with runtree. They are registered by name, and nothing imports them."""
