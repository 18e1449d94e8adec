"""`runtree`: the front door. It loads click and nothing else until a verb is known."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from runtree.cli.installed import plugins_installed
from runtree.contract.errors import RuntreeError, first_line, nearest

VERBS: Mapping[str, tuple[str, str]] = {
    "train": ("train", "Train, evaluate and record a model; -m for several."),
    "tune": ("tune", "Search for the best configuration: a sweep led by a tuner."),
    "check": ("check", "Look for leaks and faults before training at length."),
    "plan": ("plan", "Show what a sweep would do, and run nothing."),
    "resume": ("resume", "Go on with a sweep that was interrupted."),
    "status": ("status", "Show how far a sweep is; --watch until it ends."),
    "stop": ("stop", "Ask a running sweep to end."),
    "predict": ("predict", "Predict rows of a file with a run's model."),
    "explain": ("explain", "Say which columns of a row speak for what is predicted."),
    "runs": ("runs", "List runs: sort, filter."),
    "export": ("export", "Write all runs into one table: Parquet or CSV."),
    "show": ("show", "Show one run: config, metrics, history."),
    "report": ("report", "Write the page of a run or a sweep again."),
    "diff": ("diff", "Say what differs between two runs."),
    "compare": ("compare", "Compare configurations: which is best, which are tied with it."),
    "best": ("best", "Name the best run, or the cheapest among the tied."),
    "rerun": ("rerun", "Train a run again, and say whether it came to the same."),
    "clean": ("clean", "List what may go from the output tree; --yes removes it."),
    "zoo": ("zoo", "List weights to start from; add a run's."),
    "list": ("choices", "List config groups, or the options of one."),
    "describe": ("choices", "Describe an option: parameters, types, defaults, space."),
    "plugins": ("plugins", "Show installed plugins, what each adds, what is broken."),
    "init": ("init", "Make a folder of your own: conf/, an example, .gitignore."),
    "completion": ("completion", "Print the line that makes your shell complete."),
}

HELP = """Train models from one tree of YAML, and keep every run in files you own.

\b
  runtree train                                        a model on a bundled table
  runtree train algorithm=random_forest seed=7         choose an option, set a value
  runtree train data=csv data.path=a.csv data.target=y your own table
  runtree train -m algorithm=ridge,lasso seed=1,2,3    every combination
  runtree tune algorithm=ridge,lasso                   let a tuner search for the best
  runtree runs --sort test.accuracy                    what came of it

Options of a group: runtree list algorithm. Keys of an option: runtree describe algorithm=ridge.
Hydra's own flags (--cfg job, --info defaults-tree, -m, -cn, -cd) work after `train`.
"""


class Verbs(click.Group):
    """Built-in verbs by name, loaded when asked for; plugins' verbs after them."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return every verb."""
        return [*VERBS, *sorted(self._contributed())]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load one verb."""
        import_module("runtree.cli.warnings").show_warnings()
        if name in VERBS:
            found: click.Command = getattr(import_module(f"runtree.cli.{VERBS[name][0]}"), f"{name}_command")
            return found
        contributed = self._contributed().get(name)
        if contributed is None:
            return None
        return contributed.command if isinstance(contributed.command, click.Command) else contributed.command()

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """Say which verb may have been meant."""
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            close = nearest(name, self.list_commands(context))
            hint = f"did you mean: {', '.join(close)}?" if close else "see: runtree --help"
            if "=" in name:
                hint = f"did you mean: runtree train {name}?"
            raise click.UsageError(f"unknown verb '{name}'\n  {hint}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without loading them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])
        contributed = self._contributed()
        if contributed:
            with formatter.section("Verbs of plugins"):
                formatter.write_dl([(name, command.summary) for name, command in sorted(contributed.items())])

    @staticmethod
    def _contributed() -> dict[str, Any]:
        if not plugins_installed():
            return {}
        from runtree.cli.warnings import show_warnings
        from runtree.plugins import installed_plugins

        show_warnings()
        return {command.name: command for _, command in installed_plugins().contributions("register_commands")}


def _block(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> None:
    """Leave plugins out; this is heard before the verb is looked up, which may be one of theirs."""
    if names:
        os.environ["RUNTREE_BLOCK"] = ",".join(filter(None, [os.environ.get("RUNTREE_BLOCK", ""), *names]))


@click.group(cls=Verbs, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="runtree", message="runtree %(version)s")
@click.option(
    "--block",
    metavar="NAME",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_block,
    help="Leave a plugin out. Also: RUNTREE_BLOCK=NAME,NAME.",
)
@click.option("--traceback", is_flag=True, help="On an error, show where it was raised.")
@click.option("--no-color", is_flag=True, help="Write plain text. Also: NO_COLOR=1.")
def runtree(traceback: bool, no_color: bool) -> None:
    """Set what holds for every verb."""
    if traceback:
        os.environ["RUNTREE_TRACEBACK"] = "1"
    if no_color:
        os.environ["NO_COLOR"] = "1"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; every error of a user's is told in a few lines."""
    code = _run(arguments)
    if arguments is None:
        sys.exit(code)
    return code


def _run(arguments: list[str] | None) -> int:
    try:
        result = runtree.main(arguments, prog_name="runtree", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        _complain(error.format_message())
        return 2
    except BrokenPipeError:
        sys.stdout = None  # whoever read us has gone: nothing is left to flush to
        return 0
    except RuntreeError as error:
        _complain(str(error), error)
        return error.exit_code
    except Exception as error:
        _complain(f"{type(error).__name__}: {first_line(error)}\n  see where: runtree --traceback …", error)
        return 1


def _complain(text: str, error: BaseException | None = None) -> None:
    if error is not None and os.environ.get("RUNTREE_TRACEBACK"):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    click.secho("error: ", nl=False, err=True, fg=None if "NO_COLOR" in os.environ else "red")
    click.echo(text, err=True)
