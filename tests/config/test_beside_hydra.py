"""Command lines and multiruns beside a plain `@hydra.main` app over the same folders.

The differences, each with its reason, are the tables of docs/hydra.md: a line that differs and is not listed fails, and so
does one that is listed and no longer differs.
"""

import re
import shlex
from copy import deepcopy
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from exhaustive import EXHAUSTIVE
from runtree.app import App
from runtree.cli.train import print_hydra_answer
from runtree.config.compose import Composer
from runtree.config.freeze import freeze
from runtree.config.hydra_engine import parse_flags
from runtree.config.hydra_versions import set_version_base
from runtree.config.search_path import shipped_conf
from runtree.contract.errors import RuntreeError
from runtree.plugins import make_plugins
from runtree.sweeps.overrides import split_overrides
from runtree.sweeps.search_space import joint_space
from runtree.tuners.grid import Grid

PAGE = Path(__file__).parents[2] / "docs" / "hydra.md"
MAX_JOBS = 30 if EXHAUSTIVE else 9
APP = App(make_plugins(found=[]))

FILES = {
    "data/own.yaml": "defaults: [_table_, _self_]\nname: own\n_target_: runtree.data.bundled.Bundled\nsource: wine\ntarget: target\n",
    "algorithm/small.yaml": "name: small\n_target_: sklearn.linear_model.Ridge\nalpha: 3.0\nrandom_state: ${seed}\nspace: {}\n",
    "algorithm/needs.yaml": "name: needs\n_target_: sklearn.linear_model.Ridge\nalpha: ???\nspace: {}\n",
    "algorithm/nameless.yaml": "_target_: sklearn.linear_model.Ridge\nalpha: 1.0\n",
    "experiment/e1.yaml": "# @package _global_\ndefaults:\n  - override /algorithm: ridge\nseed: 11\n",
    "experiment/e2.yaml": "# @package _global_\ndefaults:\n  - override /data: wine\n  - override /algorithm: knn\nseed: 12\n",
    "experiment/own_root.yaml": "# @package _global_\ntrainer: {max_epochs: 3}\n",
    "experiment/own_keys.yaml": "# @package _global_\nextras: {note: pilot}\n",
    "site/lab.yaml": "folder: /data/lab\n",
    "train.yaml": "defaults: [config, _self_]\nseed: 5\nextras: {from: train}\n",
    "bare.yaml": "seed: 5\n",
}

LINES = """
<empty>
seed=7
seed=-1
seed=1.5
seed=abc
seed=null
seed=
seed
=7
seed:7
seed=7 seed=8
outputs=elsewhere
'outputs="a b"'
'outputs=a b'
algorithm=ridge
algorithm=ridge algorithm=knn
algorithm=ridge algorithm.alpha=2
algorithm.alpha=2 algorithm=ridge
algorithm=ridge algorithm.alpha=1e-3
algorithm=ridge algorithm.alpha=1_000
algorithm=ridge algorithm.alpha=.5
algorithm=ridge algorithm.alpha=inf
algorithm=ridge algorithm.alpha=nan
algorithm=ridge algorithm.alpha=null
algorithm=ridge algorithm.alpha=true
algorithm=ridge algorithm.alpha=yes
algorithm=ridge 'algorithm.alpha="2"'
algorithm=ridge "algorithm.alpha='2'"
algorithm=ridge 'algorithm.alpha=[1,2]'
algorithm=ridge 'algorithm.alpha=[]'
algorithm=ridge 'algorithm.alpha=[1,[2,3]]'
algorithm=ridge 'algorithm.alpha={a:1,b:[2]}'
algorithm=ridge 'algorithm.alpha={}'
algorithm=ridge 'algorithm.alpha=${seed}'
algorithm=ridge 'algorithm.alpha=${nope}'
algorithm=ridge 'algorithm.alpha=${oc.env:HOME,none}'
algorithm=ridge 'algorithm.alpha=${oc.decode:"3"}'
algorithm=ridge 'algorithm.alpha=int(2.5)'
algorithm=ridge 'algorithm.alpha=float(2)'
algorithm=ridge 'algorithm.alpha=str(2)'
algorithm=ridge 'algorithm.alpha=bool(1)'
algorithm=ridge 'algorithm.alpha=json_str({a:1})'
algorithm=ridge 'algorithm.alpha=extend_list(1)'
algorithm=ridge algorithm.alhpa=2
algorithm=ridge +algorithm.alhpa=2
algorithm=ridge ++algorithm.alhpa=2
algorithm=ridge +algorithm.alpha=2
algorithm=ridge ++algorithm.alpha=2
algorithm=ridge ~algorithm.alpha
algorithm=ridge ~algorithm.alpha=1.0
algorithm=ridge ~algorithm.alpha=3
algorithm=ridge ~algorithm.nope
algorithm=ridge ~algorithm.alpha +algorithm.alpha=9
algorithm=ridge algorithm.alpha=1,2
algorithm=ridge,knn
algorithm=ridge 'algorithm.alpha=choice(1,2)'
algorithm=ridge 'algorithm.alpha=range(1,3)'
algorithm=ridge 'algorithm.alpha=interval(0,1)'
algorithm=ridge 'algorithm.alpha=glob(*)'
algorithm=rigde
algorithm=
algorithm=[ridge,knn]
algoritm=ridge
+algorithm=ridge
++algorithm=ridge
~algorithm
~algorithm=hist_gradient_boosting
~algorithm=ridge
algorithm@other=ridge
+algorithm@extras.second=ridge
+algorithm@second=ridge
algorithm@algorithm=ridge
algorithm@algorithm:second=ridge
data=wine
data=csv
data=csv data.path=a.csv data.target=y
data=_table_
preprocess=none
preprocess=null
~compute
~tuner
tuner=tpe
tuner=tpe tuner.stop.max_runs=3
compute=cpu compute.threads=2
evaluator=cross_validation evaluator.folds=3
experiment=quickstart
experiment=null
experiment=nope
+experiment=quickstart
objective=null
objective.metric=[f1,log_loss]
'objective.metric=f1,log_loss'
fit=null
fit.patience.checks=3
fit.patience={checks:4}
'fit={max_iterations:3}'
fit.max_iterations=3 fit.max_iterations=4
+foo=1
+foo.bar=1
++foo=1
foo=1
+extras.note=1
extras.note=1
'extras={tags:[a,b]}'
-cd MORE data=own
-cd MORE algorithm=small seed=4
-cd MORE algorithm=nameless
-cd MORE experiment=e1
-cd MORE experiment=e1 algorithm=knn
-cd MORE experiment=[e1,e2]
-cd MORE experiment=own_root
-cd MORE experiment=own_keys
-cd MORE +site=lab 'outputs=${site.folder}'
-cd MORE -cn train
-cd MORE -cn train seed=6 data=wine
-cd MORE -cn bare
-cn nope
-cd nothere
-cp MORE -cn bare
""".strip().splitlines()

MULTIRUNS = """
seed=1,2,3
algorithm=ridge algorithm.alpha=1,2,3
algorithm=ridge,knn
algorithm=ridge,knn data=iris,wine
data=iris,wine algorithm=ridge,knn
algorithm=ridge algorithm.alpha=1,2 algorithm.fit_intercept=true,false
algorithm=ridge 'algorithm.alpha=range(1,4)'
algorithm=ridge 'algorithm.alpha=range(3,0,-1)'
algorithm=ridge 'algorithm.alpha=choice(0.1,0.2)'
algorithm=ridge 'algorithm.alpha=sort(3,1,2)'
algorithm=ridge 'algorithm.alpha=interval(0,1)'
algorithm=ridge algorithm.alpha=1,1,2
algorithm=ridge '+algorithm.extra=a,b'
algorithm=ridge ++algorithm.alpha=1,2 algorithm.alpha=5
algorithm=ridge algorithm.alpha=5 ++algorithm.alpha=1,2
algorithm=ridge 'objective.metric=[f1],[log_loss]'
'algorithm=glob(ri*)'
'preprocess=glob(*,exclude=t*)'
-cd MORE experiment=e1,e2
-cd MORE 'experiment=glob(e*)'
-cd MORE algorithm=needs algorithm.alpha=1,2
data=csv data.path=a.csv,b.csv data.target=y
""".strip().splitlines()


def test_the_lists_are_as_long_as_they_are_said_to_be():
    assert (len(LINES), len(MULTIRUNS)) == (119, 22)
    assert len(set(LINES)) == len(LINES)


def remember_yaml(patch):
    """Parse each text once: the same few files are composed hundreds of times here."""
    parse, known = yaml.load, {}

    def load(stream, Loader):
        text = stream.read() if hasattr(stream, "read") else stream
        if (text, Loader) not in known:
            known[text, Loader] = parse(text, Loader)
        return deepcopy(known[text, Loader])

    patch.setattr(yaml, "load", load)


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    folder = tmp_path_factory.mktemp("more")
    for file, text in FILES.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        remember_yaml(patch)
        yield folder


def words_of(line, more):
    return [word.replace("MORE", str(more)) for word in shlex.split(line)] if line != "<empty>" else []


class Plain:
    """What `hydra.main(config_path=…)` makes of a command line, over the shipped folder."""

    def __init__(self, words):
        set_version_base()
        GlobalHydra.instance().clear()
        self.flags = parse_flags(words)
        path = create_config_search_path(self.flags.config_path or str(shipped_conf()))
        if self.flags.config_dir is not None:
            if not Path(self.flags.config_dir).is_dir():
                raise ValueError("no such folder")
            anchor = SearchPathQuery(provider="schema", path=None)
            path.prepend("command-line", f"file://{self.flags.config_dir}", anchor)
        self.hydra = Hydra.create_main_hydra2("plain", path)
        self.name = self.flags.config_name or "config"

    def job(self):
        config = self.hydra.compose_config(self.name, list(self.flags.overrides), RunMode.RUN)
        return self.hydra.get_sanitized_cfg(config, "job")

    def jobs(self):
        sweeping = [*self.flags.overrides]
        master = self.hydra.compose_config(self.name, sweeping, RunMode.MULTIRUN)
        loader = self.hydra.config_loader
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(master.hydra.overrides.task))
        [batch] = BasicSweeper.split_arguments(parsed, None)
        for overrides in batch:
            config = loader.load_sweep_config(master, list(overrides))
            with open_dict(config):
                config.pop("hydra")
            yield config


def plain_text(words):
    try:
        return OmegaConf.to_yaml(Plain(words).job())
    except Exception:
        return "refused"
    finally:
        GlobalHydra.instance().clear()


def our_text(words, capsys):
    try:
        print_hydra_answer(APP, parse_flags([*words, "--cfg", "job"]))
    except RuntreeError:
        return "refused"
    return capsys.readouterr().out


def listed(heading):
    """Return the command lines of a table of the page, as they are in the lists above."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return {match[1].replace("\\|", "|") for match in re.finditer(r"^\| `+ ?(.+?) ?`+ \|", section, flags=re.MULTILINE)}


def share(lines, different):
    """Return the lines that are said to differ and every fifth of the others, or all of them: each is composed twice."""
    others = [line for line in lines if line not in different]
    return [*sorted(different & set(lines)), *(others if EXHAUSTIVE else others[::5])]


@pytest.mark.filterwarnings("ignore:extend_list:UserWarning")  # of Hydra 1.4, about a word that is typed here
def test_command_lines_compose_as_in_hydra(more, capsys):
    known = listed("Command lines that differ")
    lines = share(LINES, known)
    different = {line for line in lines if plain_text(words_of(line, more)) != our_text(words_of(line, more), capsys)}
    assert different == known


def plain_jobs(words):
    try:
        return [freeze(config).flat for config in islice(Plain(words).jobs(), MAX_JOBS)]
    except Exception:
        return "refused"
    finally:
        GlobalHydra.instance().clear()


def our_jobs(words):
    try:
        flags = parse_flags(["-m", *words])
        app = APP.with_folders_of(flags)
        groups, engine = app.catalogue.groups, app.engine(flags, app.allow_list())
        overrides = split_overrides(flags.overrides, {}, groups, lambda group: groups[group])
        composer = Composer(engine.compose, overrides.arrange, overrides.ranges, overrides.first_value)
        space = joint_space(overrides, composer)
        grid = Grid()
        grid.begin(space.space, ["minimize"], 0)
        trials = iter(lambda: grid.ask(next(numbers)), None)
        numbers = iter(range(MAX_JOBS))
        seeds = [{"seed": seed} for seed in overrides.seeds] or [{}]
        values = [{**trial.values, **seed} for trial in trials for seed in seeds]
        return [composer.freeze(value, overrides.composed).flat for value in values]
    except RuntreeError:
        return "refused"


def test_multiruns_have_the_jobs_of_hydra_in_their_order(more):
    known = listed("Multiruns that differ")
    lines = share(MULTIRUNS, known)
    different = {line for line in lines if plain_jobs(words_of(line, more)) != our_jobs(words_of(line, more))}
    assert different == known
