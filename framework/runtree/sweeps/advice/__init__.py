"""What the runs of a sweep say about the search itself: how far to believe its winner, and what to try next."""
