"""One run: its stages, their order, and the page that tells how they are walked."""
