"""A package as a stranger writes it who has read docs/plugins.md and nothing else; every kind of part is in it."""
