"""Which keys of a config make another science, and which do not change what is computed."""

from functools import lru_cache

# Where a run ran, where it is kept, who is told, what a tuner might have tried.
IGNORED_GROUPS = ("compute", "outputs", "zoo", "experiment", "trackers", "tracking", "hydra")
# … and what a run is examined for once it is scored: `evaluation/options.py` holds these keys.
EVALUATION_KEYS = ("intervals", "baselines", "benchmark", "diagnose", "explain", "fairness", "report")


@lru_cache(maxsize=4096)  # the runs of a sweep ask it of the same paths
def affects_fingerprint(path: str) -> bool:
    """Tell whether a config path makes another science."""
    group, _, key = path.partition(".")
    looking = group == "evaluator" and key.partition(".")[0] in EVALUATION_KEYS
    return group not in IGNORED_GROUPS and not looking and ".space." not in f"{path}."
