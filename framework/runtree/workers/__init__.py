"""Executors: jobs run in this process, or in a pool of worker processes that a fork server starts."""
