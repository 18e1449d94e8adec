"""The entry point `runtree`. It imports click and nothing else until a verb is known, which keeps --help fast."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from runtree.contract.commands import command
from runtree.contract.errors import (
    MissingError,
    RequestError,
    RuntreeError,
    describe_error,
    first_line,
    nearest,
    raise_if_ours,
)
from runtree.contract.output import SafeStream
from runtree.contract.redaction import redact_override, redact_text
from runtree.contract.validation import claimed_twice

# Verb → (module of runtree.cli, summary). The summaries stand here since reading them from a verb would import it.
VERBS: Mapping[str, tuple[str, str]] = {
    "train": ("train", "Train, evaluate and record a model; -m for several."),
    "tune": ("tune", "Search for the best configuration with a tuner."),
    "check": ("check", "Check data and pipeline before training."),
    "plan": ("plan", "Show what a sweep would run, without running it."),
    "resume": ("resume", "Continue a sweep that was interrupted."),
    "status": ("status", "Show the progress of a sweep; --watch follows it."),
    "stop": ("stop", "Stop a running sweep."),
    "predict": ("predict", "Predict the rows of a file with the model of a run."),
    "serve": ("serve", "Serve a model: REST and a web form."),
    "export-model": ("export_model", "Write a model as one file in ONNX, if it predicts the same."),
    "load-test": ("load_test", "Send requests to a service: latency, throughput, errors."),
    "evaluate": ("evaluate", "Score the model of a run on labelled rows."),
    "monitor": ("monitor", "Watch a model: drift, quality and KPIs of new rows."),
    "retrain": ("retrain", "Train a registered model again on new rows, compare, promote or refuse."),
    "explain": ("explain", "Explain single predictions."),
    "runs": ("runs", "List, filter and sort runs."),
    "export": ("runs", "Write all runs into one Parquet or CSV table."),
    "show": ("show", "Show one run: metrics, config, history, findings."),
    "report": ("report", "Write the report of a run or a sweep again."),
    "diff": ("diff", "Show the differences between two runs."),
    "compare": ("compare", "Compare configurations, with statistical tests."),
    "best": ("best", "Select the best run, or the cheapest of those tied with it."),
    "rerun": ("rerun", "Train a run again and compare the results."),
    "clean": ("clean", "List what can be removed from the output folder; --yes removes it."),
    "models": ("models", "Register models; approve, promote and roll back versions."),
    "package": ("package", "Write an image of a registered model, and manifests for Kubernetes."),
    "doctor": ("doctor", "Check what this machine lacks for training, serving and packaging."),
    "unseal": ("unseal", "Decrypt a file of predictions or of a registered model."),
    "data": ("data", "List the tables that runs have used, and their versions."),
    "zoo": ("zoo", "List pretrained weights; add those of a run."),
    "list": ("list", "List config groups, or the options of one."),
    "describe": ("describe", "Describe an option: parameters, types, defaults, search space."),
    "plugins": ("plugins", "List installed plugins and what each adds."),
    "allow": ("allow", "Let the conf/ of this folder name its own modules."),
    "init": ("init", "Create a project: conf/, an example experiment, .gitignore."),
    "completion": ("completion", "Print the line that enables completion in your shell."),
}

HELP = """Train, tune and evaluate models from one tree of YAML, and keep every run in files.

\b
  runtree train                                        a model on a bundled table
  runtree train algorithm=random_forest seed=7         choose an option, set a value
  runtree train data=csv data.path=a.csv data.target=y your own table
  runtree train -m algorithm=ridge,lasso seed=1,2,3    every combination
  runtree tune algorithm=ridge,lasso                   search for the best configuration
  runtree runs --sort test.accuracy                    list the results

Options of a group: runtree list algorithm. Keys of an option: runtree describe algorithm=ridge.
Hydra's own flags (--cfg job, --info defaults-tree, -m, -cn, -cd) work after `train`.
"""


class VerbGroup(click.Group):
    """The built-in verbs, imported when called, followed by the verbs of plugins."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*VERBS, *sorted(_plugin_commands())]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        show_warnings()
        if name in VERBS:
            # imported only now: `--help` prints the summaries above and loads no verb
            command: click.Command = getattr(
                import_module(f"runtree.cli.{VERBS[name][0]}"), f"{name.replace('-', '_')}_command"
            )
            return command
        offered = _plugin_commands().get(name)
        return _make_command(name, offered) if offered else None

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        # click's own message neither suggests a verb nor explains that an override needs one
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            close = nearest(name, self.list_commands(context))
            hint = f"did you mean: {', '.join(close)}?" if close else "see: runtree --help"
            # the most frequent slip: `runtree algorithm=ridge`, as with a plain Hydra application
            if "=" in name:
                hint = f"did you mean: {command('train', *args)}"
            raise RequestError(f"unknown verb '{name}'", hint)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])
        offered = _plugin_commands()
        if offered:
            with formatter.section("Verbs of plugins"):
                formatter.write_dl([(name, given[0][1].summary) for name, given in sorted(offered.items())])


def plugins_installed() -> bool:
    """Return whether an installed package names the entry-point group of runtree.

    `importlib.metadata` takes longer to import than everything else that ``--help`` needs, so the files are searched
    for the name of the group, and the plugin manager is loaded only where there is a plugin.
    """
    for place in sys.path:
        # as text and without a parser: a false positive only costs the loading of the plugin manager
        for file in Path(place).glob("*.dist-info/entry_points.txt"):
            if "[runtree]" in file.read_text(encoding="utf-8", errors="replace"):
                return True
    return False


def _plugin_commands() -> dict[str, list[tuple[str, Any]]]:
    """Return the verbs of plugins: for each name the plugins that offer it, with their commands."""
    if not plugins_installed():
        return {}
    from runtree.plugins import installed_plugins

    show_warnings()  # of plugins that cannot be loaded
    offered: dict[str, list[tuple[str, Any]]] = {}
    for plugin, contributed in installed_plugins().contributions("register_commands"):
        if contributed.name not in VERBS:  # `runtree plugins` says that it is left out
            offered.setdefault(contributed.name, []).append((plugin, contributed))
    return offered


def _make_command(name: str, offered: list[tuple[str, Any]]) -> click.Command:
    """Return the command of a plugin's verb.

    Raises
    ------
    MissingError
        Two plugins offer the verb, or the one that offers it cannot make its command.
    """
    plugin, contributed = offered[0]
    if len(offered) > 1:
        raise claimed_twice("verb", name, (plugin, offered[1][0]))
    made = contributed.command
    if not isinstance(made, click.Command):  # a function, so that the command is imported only when it is called
        leave_out = f"leave it out with: {command('--block', plugin)} …"
        try:
            made = made()
        except BaseException as error:
            raise_if_ours(error)
            raise MissingError(f"plugin '{plugin}', verb '{name}': {describe_error(error)}", leave_out) from error
        if not isinstance(made, click.Command):
            raise MissingError(f"plugin '{plugin}', verb '{name}': it returned {made!r:.80}, no command", leave_out)
    return made


def show_warnings() -> None:
    """Print the warnings of runtree and its plugins to stderr, one line each. May be called more than once."""
    import logging

    logger = logging.getLogger("runtree")
    # named, so that a second call in the same process, as in tests, adds no second handler
    for known in logger.handlers:
        if known.name == "stderr":
            vars(known)["shown"].clear()
            return

    class StderrHandler(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.name = "stderr"
            self.shown: set[str] = set()

        def emit(self, record: logging.LogRecord) -> None:
            text = " ".join(record.getMessage().split())
            # errors reach the user as exceptions, and less than a warning is for the log of a run. Each once: a plugin
            # may fail in each of a hundred runs
            if record.levelno == logging.WARNING and text not in self.shown:
                self.shown.add(text)
                click.echo(f"warning: {text}", err=True)

    logger.addHandler(StderrHandler())


@contextmanager
def muted_warnings() -> Iterator[None]:
    """Suppress the warnings: for a verb whose output contains them."""
    import logging

    handlers = [handler for handler in logging.getLogger("runtree").handlers if handler.name == "stderr"]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setLevel(logging.WARNING)


def _block(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> None:
    """Leave plugins out. The option is eager: the verb that is looked up next may belong to a blocked plugin."""
    if names:
        from runtree.plugins import block

        block(names)


@click.group(
    cls=VerbGroup,
    help=HELP,
    invoke_without_command=True,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
@click.option("--no-color", is_flag=True, help="Print without colors. Also: NO_COLOR=1.")
@click.pass_context
def runtree(context: click.Context, traceback: bool, no_color: bool) -> None:
    if context.invoked_subcommand is None:  # the first thing that a newcomer types is no mistake
        click.echo(context.get_help())
    if traceback:
        # an environment variable and not a parameter: `_run` prints the error after click's context is gone
        os.environ["RUNTREE_TRACEBACK"] = "1"
    if no_color:
        os.environ["NO_COLOR"] = "1"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; without `arguments`, run that of the process and exit."""
    code = _run(arguments)
    if arguments is None:  # the console script: its exit status is that of the process
        sys.exit(code)
    return code


@contextmanager
def safe_streams(arguments: list[str]) -> Iterator[None]:
    """Let stdout and stderr pass neither secrets nor characters that control the terminal."""
    for word in arguments:
        redact_override(word)  # what is typed as `db.password=…` is hidden from here on, in errors of the parser, too
    streams = sys.stdout, sys.stderr
    safe = tuple(map(SafeStream, streams))
    sys.stdout, sys.stderr = safe
    try:
        yield
    finally:
        # a stream that was replaced meanwhile stays as it is
        if sys.stdout is safe[0]:
            sys.stdout = streams[0]
        if sys.stderr is safe[1]:
            sys.stderr = streams[1]


def _run(arguments: list[str] | None) -> int:
    with safe_streams(sys.argv[1:] if arguments is None else arguments):
        return _run_verb(arguments)


def _run_verb(arguments: list[str] | None) -> int:
    stdout = sys.stdout
    try:
        # standalone_mode would turn every error into click's format and its exit codes
        result = runtree.main(arguments, prog_name="runtree", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        # 128 + SIGINT, as shells report it
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else HELP)  # a verb with subcommands alone is a question, too
        return 0
    except click.ClickException as error:
        _print_error(error.format_message())
        return 2
    except BrokenPipeError:
        sys.stdout = None  # the reader (`| head`) is gone; else Python would fail again when it flushes at exit
        return 0
    except RuntreeError as error:
        _print_error("\n  ".join([str(_named(error)), *_blocked_hint(error)]), error)
        return error.exit_code
    except OSError as error:
        from runtree.contract.storage import system_error, system_fault

        fault = system_fault(error)
        _print_error(str(system_error(fault, "the system")) if fault else _describe_bug(error), error)
        return 1
    # of code that a verb has called, or of a plugin's verb
    except SystemExit as error:
        # click itself exits after a broken pipe (`| head`), with streams that ignore it
        if sys.stdout is not stdout:
            return 0
        words = sys.argv[1:] if arguments is None else arguments
        if "--version" in words and not error.code:  # Hydra's parser has printed it
            return 0
        # a verb may end so, if not with an exit code that means something else here
        owner = _owner_of_verb(words)
        if owner and not error.code:
            return 0
        text = f"{owner or 'an algorithm or a plugin'} called sys.exit({error.code!r})"
        _print_error(f"{text}\n  for the traceback: runtree --traceback …", error)
        return 1
    # an error that nothing above has turned into a message is a bug, and its traceback is one option away. A plugin may
    # raise what is no Exception
    except BaseException as error:
        owner = _owner_of_verb(sys.argv[1:] if arguments is None else arguments)
        text = f"{owner} failed: {describe_error(error)}\n  for the traceback: runtree --traceback …"
        _print_error(text if owner else _describe_fault(error), error)
        return 1


def _owner_of_verb(arguments: list[str]) -> str:
    """Return which verb of which plugin was called; empty if it is one of runtree's own."""
    words = [word for word in arguments if not word.startswith("-")]
    if VERBS.keys() & {*words}:
        return ""
    offered = _plugin_commands()
    return next((f"verb '{word}' of the plugin '{offered[word][0][0]}'" for word in words if word in offered), "")


def _blocked_hint(error: RuntreeError) -> list[str]:
    """Return a hint where what is unknown may belong to a plugin that is left out: it cannot be asked."""
    blocked = os.environ.get("RUNTREE_BLOCK", "")
    is_about_names = blocked and "unknown" in error.message
    return [f"plugins left out by --block or RUNTREE_BLOCK: {blocked}"] if is_about_names else []


def _named(error: BaseException) -> BaseException:
    """Return an error with the plugin in whose code it, or its cause, was raised."""
    if (isinstance(error, RuntreeError) and error.__cause__ is None) or not plugins_installed():
        return error
    from runtree.plugins import installed_plugins
    from runtree.training.contributors import Contributors

    return Contributors(installed_plugins().identities).named(error, {})


def _describe_fault(error: BaseException) -> str:
    """Return the text of an error that a plugin's code has raised, or a bug of ours."""
    named = _named(error)
    return _describe_bug(error) if named is error else f"{named}\n  for the traceback: runtree --traceback …"


def _describe_bug(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}\n  for the traceback: runtree --traceback …"


def _print_error(text: str, error: BaseException | None = None) -> None:
    if error is not None and os.environ.get("RUNTREE_TRACEBACK"):
        import traceback

        click.echo(redact_text("".join(traceback.format_exception(error))), err=True)
    click.secho("error: ", nl=False, err=True, fg=None if "NO_COLOR" in os.environ else "red")
    click.echo(redact_text(text), err=True)
