"""One run: its stages, their order, and the record that is written whatever happens."""
