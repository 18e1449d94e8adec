"""Which keys of a config make another science, and which do not change what is computed."""

from functools import lru_cache

# Where a run ran, where it is kept, who is told, what a tuner might have tried.
OUTSIDE = ("compute", "outputs", "zoo", "experiment", "trackers", "tracking", "hydra")
# … and what a run is examined for once it is scored: `evaluation/options.py` holds these keys.
LOOKED_AT = ("intervals", "baselines", "benchmark", "diagnose", "explain", "fairness", "report")


@lru_cache(maxsize=4096)  # the runs of a sweep ask it of the same paths
def counts(path: str) -> bool:
    """Tell whether a config path makes another science."""
    group, _, key = path.partition(".")
    looking = group == "evaluator" and key.partition(".")[0] in LOOKED_AT
    return group not in OUTSIDE and not looking and ".space." not in f"{path}."
