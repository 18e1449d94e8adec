"""What is recorded of a repository, and that nothing that its config names is run for it."""

import os
import subprocess

import pytest

from runtree.records.environment import environment, git

PLAIN = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def call(folder, *words):
    identity = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *identity, *words], cwd=folder, env=PLAIN, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Return a repository with one commit of two files."""
    folder = tmp_path / "repository"
    folder.mkdir()
    call(folder, "init", "-q", "-b", "main")
    (folder / "a.py").write_text("1\n")
    (folder / "b.bin").write_text("2\n")
    call(folder, "add", ".")
    call(folder, "commit", "-qm", "first")
    return folder


def make_dirty(folder):
    """Touch a file without changing it: git compares its content, through filters if there are any."""
    file = folder / "b.bin"
    os.utime(file, (1, 1))


@pytest.mark.parametrize("layout", ["branch", "detached", "packed", "subfolder", "worktree", "submodule"])
def test_revision_and_change_are_those_that_git_says(repository, tmp_path, layout):
    folder = repository
    if layout == "detached":
        call(folder, "checkout", "-q", "--detach")
    elif layout == "packed":
        call(folder, "pack-refs", "--all")
    elif layout == "subfolder":
        folder = repository / "deep" / "er"
        folder.mkdir(parents=True)
    elif layout == "worktree":
        folder = tmp_path / "linked"
        call(repository, "worktree", "add", "-q", "-b", "other", str(folder))
    elif layout == "submodule":
        outer = tmp_path / "outer"
        outer.mkdir()
        call(outer, "init", "-q")
        call(outer, "submodule", "--quiet", "add", str(repository), "inner")
        folder = outer / "inner"
    root = repository if layout == "subfolder" else folder
    revision = call(folder, "rev-parse", "HEAD")
    assert git(folder) == {"revision": revision, "changed": False}
    make_dirty(root)
    (root / "new.txt").write_text("not followed")
    assert git(folder) == {"revision": revision, "changed": False}
    (root / "a.py").write_text("changed\n")
    assert git(folder) == {"revision": revision, "changed": True}


ATTACKS = {
    "core.fsmonitor": [("core.fsmonitor", "touch {ran}; false")],
    "hooks": [("core.hooksPath", "{hooks}")],
    "filter": [("filter.x.clean", "touch {ran}; cat"), ("filter.x.smudge", "touch {ran}; cat")],
    "process filter": [("filter.x.process", "touch {ran}"), ("filter.x.required", "true")],
    "textconv": [("diff.x.textconv", "touch {ran}; cat"), ("diff.external", "touch {ran}")],
    "pager": [("core.pager", "touch {ran}"), ("pager.status", "touch {ran}")],
    "alias": [("alias.status", "!touch {ran}")],
    "include": [("include.path", "{include}")],
    "lazy fetch": [
        ("extensions.partialClone", "o"),
        ("remote.o.promisor", "true"),
        ("remote.o.url", "ext::touch {ran}"),
    ],
    "ssh": [("core.sshCommand", "touch {ran}"), ("remote.o.url", "ssh://h/x"), ("remote.o.promisor", "true")],
    "work tree elsewhere": [("core.worktree", "{elsewhere}"), ("core.fsmonitor", "touch {ran}")],
}


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_the_config_of_a_repository_names_is_run(repository, tmp_path, monkeypatch, name):
    ran, hooks, include = tmp_path / "ran", tmp_path / "hooks", tmp_path / "include"
    hooks.mkdir()
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman", "query-watchman"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / hook).chmod(0o755)
    include.write_text(f'[core]\nfsmonitor = "touch {ran}; false"\n')
    (repository / ".gitattributes").write_text("*.bin filter=x diff=x\n")
    for key, value in ATTACKS[name]:
        value = value.format(ran=ran, hooks=hooks, include=include, elsewhere=tmp_path)
        with (repository / ".git" / "config").open("a") as file:
            section, _, last = key.rpartition(".")
            head, _, rest = section.partition(".")
            file.write(f'[{head} "{rest}"]\n' if rest else f"[{head}]\n")
            file.write(f'\t{last} = "{value}"\n')
    if "fetch" in name or name == "ssh":  # an object is missing that git needs
        for place in (repository / ".git" / "objects").glob("??/*"):
            place.chmod(0o644)
        tree = call_objects(repository)
        (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    make_dirty(repository)
    monkeypatch.chdir(repository)
    assert environment()["git"]["revision"]
    assert not ran.exists()


def call_objects(repository):
    """Return the tree of the commit, without git's help: the config is an attack already."""
    import zlib

    commit = (repository / ".git" / "refs" / "heads" / "main").read_text().strip()
    content = zlib.decompress((repository / ".git" / "objects" / commit[:2] / commit[2:]).read_bytes())
    return content.split(b"tree ")[1][:40].decode()


@pytest.mark.parametrize("name", ["core.fsmonitor", "filter", "include"])
def test_plain_git_would_run_it(repository, tmp_path, monkeypatch, name):
    """Show that the attacks above are some."""
    ran, include = tmp_path / "ran", tmp_path / "include"
    include.write_text(f'[core]\nfsmonitor = "touch {ran}; false"\n')
    (repository / ".gitattributes").write_text("*.bin filter=x\n")
    for key, value in ATTACKS[name]:
        call(repository, "config", key, value.format(ran=ran, include=include))
    make_dirty(repository)
    call(repository, "status", "--porcelain", "--untracked-files=no")
    assert ran.exists()


@pytest.mark.parametrize(
    "head", ["ref: ../../../secret", "ref: refs/../../secret", "garbage", "", "ref: refs/heads/none"]
)
def test_a_hostile_head_names_no_revision(repository, head):
    (repository / ".git" / "HEAD").write_text(head)
    assert git(repository) is None


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "refs/heads/main"])
def test_a_fifo_in_the_repository_is_not_opened(repository, name):
    file = repository / ".git" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    assert git(repository) is None or name == "packed-refs"


def test_a_folder_outside_of_a_repository_has_none(tmp_path):
    assert git(tmp_path) is None
