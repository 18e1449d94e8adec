"""An image as an algorithm: what an engine is asked, and what becomes of its answers."""

import json
import stat

import numpy as np
import pytest

from runtree.algorithms.container import ContainerRegressor, find_engine
from runtree.contract.errors import ConfigError, MissingError, RunFailedError

X, Y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
# an engine that writes down what it is asked, and works on the folder that it is told to mount
ENGINE = """#!/usr/bin/env -S python3 -S
import json, os, pathlib, sys
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (here / "asked.jsonl").open("a") as file:
    file.write(json.dumps([pathlib.Path(__file__).name, *words]) + "\\n")
if words[0] == "version":
    sys.exit((here / "broken").exists())
if words[0] == "from" and words[-1] == "absent":
    sys.exit("Error: no such image")
if words[0] in ("inspect", "image"):
    print(json.dumps({"OCIv1": {"config": {"Entrypoint": ["/bin/entry"]}}, "FromImageDigest": "sha256:beef"}
                     if "buildah" in __file__ else [{"Id": "sha256:1", "RepoDigests": ["trainer@sha256:cafe"]}]))
if words[0] == "run":
    folder = pathlib.Path(words[words.index("--volume") + 1].partition(":")[0])
    if "fail" in words:
        (folder / "output" / "failure").write_text("told to")
        sys.exit(1)
    (folder / "model" / "weights").write_text((folder / "input/data/train/train.csv").read_text())
    print("rmse=0.5")
"""


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Return a function that puts engines on the path, and returns one that tells what they were asked."""

    def install(*names):
        for name in names:
            (tmp_path / name).write_text(ENGINE)
            (tmp_path / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return lambda: [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text().splitlines()]

    return install


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_image_is_run_with_the_folders_mounted_and_its_digest_is_kept(engines, engine):
    asked = engines(engine)
    one = ContainerRegressor(
        "trainer:1",
        engine=engine,
        hyperparameters={"lr": 0.1},
        metrics={"validation_rmse": "rmse=(.*)"},
        device="cuda:0",
    )
    fitted = one.fit(X, Y)
    assert fitted.image_digest_ == "trainer@sha256:cafe"
    assert fitted.reported_ == {"validation_rmse": 0.5}
    assert fitted.files_["weights"].startswith(b"f0,target\n1.0,1.0")
    [ran] = [words for words in asked() if words[1] == "run"]
    text = " ".join(ran)
    assert "--rm --init" in text
    assert "--network none" in text
    assert ("--gpus all" if engine == "docker" else "--device nvidia.com/gpu=all") in text
    assert ":/opt/ml " in text
    assert "SM_CHANNEL_TRAIN=/opt/ml/input/data/train" in text
    assert ran[-2:] == ["trainer:1", "train"]  # as SageMaker runs it; the hyperparameters are in their file
    assert 'SM_HPS={"lr": 0.1}' in ran
    assert asked()[-1][:3] == [engine, "rm", "--force"]


def test_buildah_runs_the_entry_point_of_the_image_and_the_container_is_removed(engines):
    asked = engines("buildah")
    fitted = ContainerRegressor("trainer", engine="buildah").fit(X, Y)
    assert fitted.image_digest_ == "sha256:beef"
    begun, ran, removed = (next(words for words in asked() if words[1] == verb) for verb in ("from", "run", "rm"))
    name = begun[begun.index("--name") + 1]
    assert ran[-4:] == [name, "--", "/bin/entry", "train"]
    assert removed == ["buildah", "rm", name]


def test_what_fails_is_told_with_the_image_and_the_container_is_removed(engines):
    asked = engines("buildah")
    with pytest.raises(RunFailedError, match="'trainer' ended with exit code 1: told to"):
        ContainerRegressor("trainer", command=["fail"], engine="buildah", hyperparameters={"lr": 0.1}).fit(X, Y)
    assert asked()[-1][1] == "rm"
    assert next(words for words in asked() if words[1] == "run")[-3:] == ["fail", "--lr", "0.1"]
    with pytest.raises(RunFailedError, match="buildah from: Error: no such image"):
        ContainerRegressor("absent", engine="buildah").fit(X, Y)


def test_the_first_engine_that_answers_is_used(engines, tmp_path):
    engines("podman", "buildah")
    assert find_engine("auto") == "podman"
    (tmp_path / "broken").touch()
    with pytest.raises(MissingError, match="docker, podman and buildah: not installed here"):
        find_engine("auto")


@pytest.mark.parametrize(
    ("image", "engine", "says"), [("--privileged", "auto", "is no name of an image"), ("a", "rkt", "'rkt' is none of")]
)
def test_what_cannot_be_is_refused(image, engine, says):
    with pytest.raises(ConfigError, match=says):
        ContainerRegressor(image, engine=engine).fit(X, Y)
