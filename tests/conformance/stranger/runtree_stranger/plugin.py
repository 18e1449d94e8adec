"""The hooks of the package."""

from runtree import AlgorithmOption, Command, Metric, Stage, Tracker, hookimpl


@hookimpl
def config_paths():
    return ["pkg://runtree_stranger.conf"]


@hookimpl
def register_algorithms():
    return [
        AlgorithmOption(
            "nearest_centre",
            target="runtree_stranger.estimators.NearestCentre",
            defaults={"shrink": 0.0},
            space={"shrink": "interval(0, 0.9)"},
            tasks=("classification",),
        )
    ]


@hookimpl
def register_metrics():
    def youden(y_true, y_pred):
        there = [code for code in (0, 1) if (y_true == code).any()]
        return sum(float((y_pred[y_true == code] == code).mean()) for code in there) - len(there) + 1

    return [Metric("youden", youden, "maximize", tasks=("classification",), bounds=(-1, 1))]


@hookimpl
def register_stages():
    def tally(run):
        counts = run.data.target.value_counts()
        (run.folder / "tally.txt").write_text(counts.to_string() + "\n")

    return [Stage("tally", tally, after="load")]


@hookimpl
def register_commands():
    import click

    return [Command("stranger", click.Command("stranger", callback=lambda: click.echo("hello")), "Say hello.")]


@hookimpl
def register_trackers():
    return [Tracker("diary", "runtree_stranger.parts.Diary")]


@hookimpl
def trusted_types():
    return [
        "runtree_stranger.estimators.NearestCentre",
        "runtree_stranger.estimators.MeanOfRows",
        "runtree_stranger.estimators.Ranks",
    ]


@hookimpl
def environment_facts():
    return {"stranger": "1"}
