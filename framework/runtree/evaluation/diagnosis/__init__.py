"""What is wrong with a model, found in what it answered, and what to do about it."""
