"""Registered models: immutable versions, movable aliases, approvals, and the gate before a model goes to production."""
