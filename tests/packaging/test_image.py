"""The folder of an image: what it installs, what it starts, and that no name in it is more than a name."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import MissingError, RequestError
from runtree.packaging import entry, lock
from runtree.packaging.image import dockerfile, pack, quoted
from runtree.registry.store import Registry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("packed")


@pytest.fixture(scope="module")
def version(folder):
    record = write_run(folder / "r1", config={"problem.goal": 'say "no" to $HOME\nFROM evil'})
    (record.folder / "environment.json").write_text(json.dumps({"python": "3.12.4", "packages": {"click": "8.0.1"}}))
    return Registry(folder / "registry", QuietHooks(), "anna").register("churn", record, {})


@pytest.fixture(scope="module")
def packed(folder, version):
    pytest.importorskip("fastapi", reason="an image of a service needs the extra serve")
    return pack(version, folder / "image", "registry.example:5000/shop/churn:1", ["my.Model"])


def test_the_image_has_the_version_its_packages_and_its_entry(packed, folder):
    image = folder / "image"
    assert sorted(path.name for path in image.iterdir()) == [
        ".dockerignore", "Dockerfile", "entry.py", "registry", "requirements.txt", "wheels",
    ]  # fmt: skip
    pins = dict(line.split("==") for line in (image / "requirements.txt").read_text().splitlines())
    assert {"fastapi", "uvicorn", "scikit-learn", "click"} <= set(pins)
    assert "torch" not in pins  # of no use to this model
    assert "pytest" not in pins
    assert "runtree" not in pins  # by that name an index might have something else
    assert not any("+" in pin for pin in pins.values())
    assert pins["click"] == "8.0.1"  # as in training
    assert any("click 8.0.1 as in training" in note for note in packed.lock.notes)
    assert "://" not in (image / "requirements.txt").read_text() + (image / "Dockerfile").read_text()
    # the copy is what was registered
    copied = image / "registry" / "churn" / "versions" / "1"
    original = folder / "registry" / "churn" / "versions" / "1"
    files = {path.relative_to(original): path.read_bytes() for path in original.rglob("*") if path.is_file()}
    assert {path.relative_to(copied): path.read_bytes() for path in copied.rglob("*") if path.is_file()} == files


def test_the_dockerfile_has_a_user_without_rights_and_nothing_of_a_shell_at_the_start(packed, folder):
    lines = (folder / "image" / "Dockerfile").read_text().splitlines()
    assert lines[0] == "FROM python:3.12-slim-bookworm"  # the run's
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["python", "/opt/runtree/entry.py"]' in lines
    assert 'CMD ["--trust", "my.Model"]' in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert not [line for line in lines if line.startswith("FROM evil")]


def test_torch_comes_without_cuda_unless_a_gpu_is_asked_for(packed, monkeypatch, version, folder):
    one = replace(packed, lock=replace(packed.lock, pins={"torch": "2.13.0"}))
    assert "ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu\n" in dockerfile(one, {})
    assert "ARG PIP_EXTRA_INDEX_URL\n" in dockerfile(replace(one, gpu=True), {})
    with pytest.raises(RequestError, match="--gpu: models:/churn/1 has no network"):
        pack(version, folder / "refused", "churn", gpu=True)
    assert not (folder / "refused").exists()
    real = lock.distribution
    cuda = {"torch": ["nvidia-cublas", "triton==3.5"], "nvidia-cublas": [], "triton": []}
    made = {
        name: SimpleNamespace(name=name, version="1.0", requires=needs, files=[], read_text=lambda file: None)
        for name, needs in cuda.items()
    }
    monkeypatch.setattr(lock, "distribution", lambda name: made.get(name) or real(name))
    assert "nvidia-cublas" not in lock.make_lock([], ["torch"], {}).pins
    assert {"nvidia-cublas", "triton"} <= lock.make_lock([], ["torch"], {}, gpu=True).pins.keys()


def test_hadolint_finds_nothing(packed, folder):
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.is_file():
        pytest.skip("hadolint is among the packages for contributors")
    found = subprocess.run([linter, folder / "image" / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@settings(max_examples=80)
@given(text=st.text(max_size=60))
def test_a_text_is_one_word_of_a_dockerfile_whatever_is_in_it(text):
    word = quoted(text)
    assert "\n" not in word
    # read as a Dockerfile's parser reads a quoted word
    inner, read, place = word[1:-1], "", 0
    while place < len(inner):
        if inner[place] == "\\":
            place += 1
        else:
            assert inner[place] not in '"$'
        read += inner[place]
        place += 1
    assert read == "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


@pytest.mark.parametrize("text", ['a "b" c', "$HOME and ${PATH}", "ünïcode ✓", "#not a comment"])
def test_a_parser_of_others_reads_the_same_label(packed, text):
    parser_of = pytest.importorskip("dockerfile_parse", reason="dockerfile-parse is for contributors").DockerfileParser
    content = dockerfile(packed, {"org.example.text": text})
    parser = parser_of(fileobj=BytesIO(content.encode()), env_replace=False)
    assert parser.labels["org.example.text"].replace("\\$", "$") == text


@pytest.mark.parametrize("name", ["Churn", "churn:", "a b", "-v", "x;y", "churn:1\nUSER root", "$x", ""])
def test_what_is_no_name_of_an_image_is_refused(version, folder, name):
    with pytest.raises(RequestError, match="is no name of an image"):
        pack(version, folder / "refused", name)
    assert not (folder / "refused").exists()


def test_a_folder_with_something_else_is_left_alone(version, tmp_path):
    pytest.importorskip("fastapi", reason="an image of a service needs the extra serve")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="holds something else"):
        pack(version, tmp_path, "churn")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch):
    real = lock.distribution

    def without(name):
        if name == "uvicorn":
            raise lock.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(lock, "distribution", without)
    with pytest.raises(MissingError, match=r"uvicorn is not installed|fastapi is not installed") as told:
        lock.make_lock(["serve"], [], {})
    assert told.value.hints == ("pip install 'runtree[serve]'",)


@pytest.mark.slow
def test_the_wheel_of_what_is_installed_installs_and_works(tmp_path):
    file = lock.write_wheel(distribution("runtree"), tmp_path)
    target = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        target,
        file,
    ]
    subprocess.run(pip, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    says = (
        "import runtree; from runtree.config.search_path import shipped_conf; print(runtree.__file__, shipped_conf())"
    )
    asked = subprocess.run(
        [sys.executable, "-c", says],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(target)},
    )
    assert all(str(target) in place for place in asked.stdout.split())
    assert (target / "bin" / "runtree").is_file()


# --- What the container starts


@pytest.fixture
def started(packed, folder, tmp_path, monkeypatch):
    """Return a function that starts the entry with some words, and returns what it becomes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(entry, "HOME", folder / "image")
    monkeypatch.setenv("RUNTREE_MODEL", "models:/churn/1")
    for name in (entry.KEYS, entry.OPEN, "PORT"):
        monkeypatch.delenv(name, raising=False)
    became = []
    monkeypatch.setattr(os, "execvp", lambda program, words: became.append(words))

    def start(*words):
        entry.main(list(words))
        return became[-1]

    return start


def test_without_words_it_serves_its_model_on_all_addresses(started, tmp_path, monkeypatch):
    assert started() == ["runtree", "serve", "models:/churn/1", "--host", "0.0.0.0", "--port", "8000"]
    assert (tmp_path / "registry" / "churn" / "versions" / "1" / "manifest.json").is_file()
    monkeypatch.setenv(entry.OPEN, "true")
    monkeypatch.setenv("PORT", "9000")
    assert started("serve.grace=0")[5:] == ["--port", "9000", "serve.access.open=true", "serve.grace=0"]
    assert started("--trust", "my.Model")[-2:] == ["--trust", "my.Model"]


def test_a_volume_with_the_version_of_an_earlier_image_gets_that_of_this_one(started, tmp_path):
    earlier = tmp_path / "registry" / "churn" / "versions" / "0"
    earlier.mkdir(parents=True)
    started()
    assert (tmp_path / "registry" / "churn" / "versions" / "1" / "manifest.json").is_file()
    assert not earlier.exists()  # its log would not be that of this version
    assert [path.name for path in (tmp_path / "registry").iterdir()] == ["churn"]


def test_with_a_verb_it_does_that(started):
    assert started("monitor", "models:/churn/1") == ["runtree", "monitor", "models:/churn/1"]


def test_the_keys_of_a_mounted_file_are_those_of_its_registry(started, tmp_path, monkeypatch):
    (tmp_path / "mounted.json").write_text('{"keys": []}')
    monkeypatch.setenv(entry.KEYS, str(tmp_path / "mounted.json"))
    started()
    assert (tmp_path / "registry" / "keys.json").read_text() == '{"keys": []}'
