"""Checks of a table, a split and a pipeline, to run before a long training or a sweep."""
