"""How sure one can be: intervals, tests of a difference, corrections. Numbers in, numbers out; each with its source."""
