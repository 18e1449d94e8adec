"""`runtree allow`: what a user has read and allowed, and nothing that has changed, was copied, or comes from elsewhere."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest

from runtree.app import App
from runtree.app.consent import Consent, give_consent, list_consents, read_record, record_file, revoke_consent
from runtree.config.search_path import shipped_conf
from runtree.contract.errors import NotFoundError, RequestError, UntrustedError
from runtree.testing.fixtures import UNEXAMINED

NAME = "own_line.Line"
OPTION = f"# A line of my own, for tests of what is allowed.\nname: mine\n_target_: {NAME}\nalpha: 2.0\nmemory: cache\n"
MODULE = """from sklearn.linear_model import Ridge

import own_part


class Line(Ridge):
    def __init__(self, alpha=1.0, memory=None):
        super().__init__(alpha)
        self.memory = memory
"""


@pytest.fixture
def project(folder, monkeypatch, tmp_path_factory):
    """Return a folder whose conf/ names a module, which imports another one; the state of the user is elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("own_line", "own_part"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "algorithm" / "mine.yaml").write_text(OPTION)
    (folder / "own_line.py").write_text(MODULE)
    (folder / "own_part.py").write_text("HALF = 0.5\n")
    yield folder
    for name in ("own_line", "own_part"):
        sys.modules.pop(name, None)


def permits(name=NAME):
    return App().allow_list().names(name)


def test_a_class_is_allowed_until_it_is_revoked(project):
    assert not permits() and Consent(project).targets == frozenset()
    give_consent(project)
    assert permits() and list_consents()[0].folder == project
    # also in the process of a launcher, which may be started in another folder
    assert pickle.loads(pickle.dumps(App().allow_list())).names(NAME)
    revoke_consent(project)
    assert not permits() and list_consents() == []
    with pytest.raises(NotFoundError, match="is not allowed"):
        revoke_consent(project)


def edit(name, text):
    return lambda project: (
        (project / name).parent.mkdir(parents=True, exist_ok=True) or (project / name).write_text(text)
    )


CHANGES = {
    "conf/algorithm/mine.yaml": edit("conf/algorithm/mine.yaml", OPTION.replace("2.0", "3.0")),
    "conf/experiment/new.yaml": edit("conf/experiment/new.yaml", "seed: 1\n"),
    "own_line.py": edit("own_line.py", MODULE + "\nimport os\n"),
    "own_part.py": edit("own_part.py", "HALF = 0.25\n"),
    # Python would import these instead of the files that were read, or of installed packages
    "own_line/__init__.py": edit("own_line/__init__.py", MODULE),
    "pandas.py": edit("pandas.py", "print('mine')\n"),
    "colorsys/__init__.py": edit("colorsys/__init__.py", ""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_asks_again_and_says_what_changed(project, name):
    give_consent(project)
    CHANGES[name](project)
    assert not permits()
    consent = Consent(project)
    assert name in consent.changed and name in consent.hint and "runtree allow" in consent.hint
    give_consent(project)
    assert permits()


def test_a_file_that_is_removed_asks_again(project):
    give_consent(project)
    (project / "own_part.py").unlink()
    assert not permits() and Consent(project).changed == ["own_part.py"]


def test_files_that_conf_does_not_depend_on_may_change(project):
    give_consent(project)
    (project / "notes.md").write_text("notes")
    (project / "analysis.py").write_text("print()")
    (project / "outputs").mkdir()
    assert permits()


def test_a_copy_of_the_folder_inherits_nothing(project, tmp_path_factory, monkeypatch):
    give_consent(project)
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(project, copy)
    monkeypatch.chdir(copy)
    assert not permits()
    # nor does a folder whose conf/ is a link to an allowed one: its modules are others
    shutil.rmtree(copy / "conf")
    (copy / "conf").symlink_to(project / "conf")
    assert not permits()
    with pytest.raises(RequestError, match="conf is a link"):
        give_consent(copy)


def test_links_in_conf_are_not_followed(project, tmp_path_factory):
    give_consent(project)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(project / "conf" / "algorithm", elsewhere / "algorithm")
    (project / "conf" / "algorithm").symlink_to(elsewhere / "algorithm")
    assert not permits()  # although every byte is as it was
    with pytest.raises(RequestError, match="conf/algorithm is a link"):
        give_consent(project)


def spoil_mode(file, monkeypatch):
    file.chmod(0o644)


def spoil_folder(file, monkeypatch):
    file.parent.chmod(0o777)


def spoil_owner(file, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)


def spoil_link(file, monkeypatch):
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))


def spoil_text(file, monkeypatch):
    file.write_text("{")


def spoil_place(file, monkeypatch):
    file.write_text(json.dumps({**json.loads(file.read_text()), "folder": "/elsewhere"}))


def spoil_hash(file, monkeypatch):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "files": {**content["files"], "own_line.py": "0" * 64}}))


def spoil_type(file, monkeypatch):
    file.write_text(json.dumps(["files"]))


@pytest.mark.parametrize(
    "spoil", [spoil_mode, spoil_folder, spoil_owner, spoil_link, spoil_text, spoil_place, spoil_hash, spoil_type]
)
def test_a_record_that_another_may_have_written_allows_nothing(project, monkeypatch, spoil):
    give_consent(project)
    file = record_file(project)
    assert permits() and file.stat().st_mode & 0o777 == 0o600
    spoil(file, monkeypatch)
    assert not permits()


def test_the_record_is_not_in_the_folder(project, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(project / "state"))
    with pytest.raises(RequestError, match="lies in this folder"):
        give_consent(project)
    assert not (project / "state").exists()
    # a relative path is no place: it would be another one in each folder
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert record_file(project).is_relative_to(Path.home())


def test_code_of_other_packages_is_not_allowed_by_it(project):
    (project / "conf" / "algorithm" / "evil.yaml").write_text("name: evil\n_target_: subprocess.Popen\nargs: ls\n")
    consent = give_consent(project)
    assert consent.snapshot.elsewhere == ("subprocess.Popen",)
    assert permits() and not permits("subprocess.Popen") and not permits("own_line.os.system")


def test_an_argument_is_allowed_with_the_value_of_conf_alone(project):
    give_consent(project)
    allowed = App().allow_list()
    allowed.check_arguments(NAME, {"_target_": NAME, "alpha": 9.0, "memory": "cache"}, "algorithm")
    # as the record of a run from somebody else could say
    with pytest.raises(UntrustedError, match=r"algorithm\.memory: a file or a record may not set 'memory'"):
        allowed.check_arguments(NAME, {"_target_": NAME, "memory": "/tmp/theirs"}, "algorithm")


def test_the_conf_of_runtree_itself_is_nothing_to_allow(project, monkeypatch):
    monkeypatch.chdir(shipped_conf().parent)
    with pytest.raises(RequestError, match="that of runtree itself"):
        give_consent(shipped_conf().parent.resolve())


def test_an_unreadable_file_is_named(project):
    (project / "conf" / "bad.yaml").write_text("a: [")
    with pytest.raises(RequestError, match=r"conf/bad\.yaml: cannot be read"):
        give_consent(project)


def test_a_run_is_trained_again_and_predicts_without_trust_until_a_file_changes(project, runtree):
    words = ("train", "algorithm=mine", "data=diabetes", "algorithm.alpha=3", *UNEXAMINED)
    said = runtree(*words)
    assert said.code == 2 and "--trust own_line.Line" in said.err and "runtree allow" in said.err
    said = runtree("allow")
    assert said.code == 0 and NAME in said.out and "own_line.py, own_part.py" in said.out
    assert runtree(*words).code == 0
    assert runtree("rerun", "latest").code == 0
    (project / "rows.csv").write_text("age,sex,bmi,bp,s1,s2,s3,s4,s5,s6\n" + ",".join("0" * 10) + "\n")
    assert runtree("predict", "latest", "rows.csv", "-o", "p.csv").code == 0
    assert runtree("allow", "--list").out.startswith("allowed")
    (project / "own_part.py").write_text("HALF = 1\n")
    for command in (words, ("rerun", "latest"), ("predict", "latest", "rows.csv")):
        said = runtree(*command)
        assert said.code == 2 and "own_part.py changed since it was allowed" in said.err, said
        assert len(said.err.splitlines()) <= 5
    assert runtree("allow", "--list").out.startswith("changed")
    assert runtree("allow", "--revoke").code == 0 and read_none(project)


def read_none(project):
    try:
        read_record(record_file(project))
    except FileNotFoundError:
        return True
    return False


def test_a_run_of_another_gets_no_permission_by_it(project, runtree):
    """A run folder that was copied in names code that conf/ does not name."""
    give_consent(project)
    assert runtree("train", "algorithm=dummy", "data=iris", "hydra.run.dir=theirs", *UNEXAMINED).code == 0
    record = project / "theirs" / "run.json"
    content = json.loads(record.read_text())
    (project / "own_evil.py").write_text("raise SystemExit('ran')\n")
    for overrides in (
        ["++algorithm._target_=own_evil.Line"],
        ["algorithm=mine", "data=diabetes", "++algorithm.memory=/tmp/theirs"],
    ):
        record.write_text(json.dumps({**content, "overrides": overrides}))
        said = runtree("rerun", "theirs", "--force")
        assert said.code == 2 and ("may name" in said.err or "may not set" in said.err), said
        assert "ran" not in said.out
