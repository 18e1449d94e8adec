"""Whether every moment of a fault and every line of a list is tried, or a share of them."""

import os

EXHAUSTIVE = os.environ.get("RUNTREE_TESTS") == "all"
