"""Which config keys affect the result of a run, and so its fingerprint."""

from functools import lru_cache

# where a run executes, where it is stored, who is notified, how it is watched, the user's own keys, what refuses a
# table: none of these changes its metrics
IGNORED_GROUPS = (
    "compute",
    "outputs",
    "zoo",
    "experiment",
    "trackers",
    "tracking",
    "monitor",
    "extras",
    "registry",
    "encrypt",
    "schema",
    "problem",
    "hydra",
)
# keys of shipped algorithms that are by default what another key says: typed with the same value, they are no setting
COPIES = {
    "n_jobs": "compute.threads",
    "threads": "compute.threads",
    "device": "compute.device",
    "devices": "compute.devices",
    "zoo": "zoo",
}
# keys of the evaluator that are used after the model is scored; `evaluation/options.py` reads them
EVALUATION_KEYS = ("intervals", "baselines", "benchmark", "diagnose", "explain", "fairness", "strict", "report")

PLUGINS = "plugins"  # the fingerprint of a run that names the plugins whose code prepared its rows, or learnt

CONTRIBUTED = ("stages", "metrics")  # settings of what plugins contribute: they count where they are set


@lru_cache(maxsize=4096)  # all runs of a sweep ask for the same paths
def affects_fingerprint(path: str) -> bool:
    """Return whether a change at this config path makes two runs incomparable."""
    # spaces do not count: what a tuner could have tried does not change the result of this run
    group, _, key = path.partition(".")
    if not key and group in CONTRIBUTED:
        return False  # nothing is set
    if path == "data.fingerprint" or path.startswith("data.card"):  # they refuse or describe a table, and change none
        return False
    is_evaluation = group == "evaluator" and key.partition(".")[0] in EVALUATION_KEYS
    return group not in IGNORED_GROUPS and not is_evaluation and ".space." not in f"{path}."
