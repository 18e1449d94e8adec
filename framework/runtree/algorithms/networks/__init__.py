"""Networks of torch that obey scikit-learn's contract. Nothing imports this room: a config names what is in it."""
