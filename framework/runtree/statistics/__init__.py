"""How sure one can be: intervals, tests of a difference, corrections. Numbers in, numbers out; each with its source.

`interval`, `comparison` and `corrections` are light; every other module needs numpy: import those where they are used.
"""
