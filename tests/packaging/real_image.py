"""An image that is really built and asked, by buildah, which needs no daemon: run by name, as root, from .ci/run.

The base, a tree by debootstrap at $BASE_TREE, stands for the slim image that the Dockerfile names: no registry of images
can be reached from everywhere, and Debian 12 has the same Python. buildah's isolation by chroot has no read-only root, so the container's tree is
mounted read-only, as `docker run --read-only` does, and entered as the user of the image.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from runtree.packaging.image import HOME, USER, WORK
from runtree.testing.fixtures import UNEXAMINED

RUNTREE = [sys.executable, "-c", "from runtree.cli.main import main; raise SystemExit(main())"]
CHROOT = ("--isolation", "chroot")
WAIT = 120  # seconds until a service must answer, on a machine that others use too


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def packed(folder):
    """Return the folder of an image of a model that was trained, registered and packed by commands."""
    run(*RUNTREE, "train", "data=breast_cancer", "algorithm=logistic", *UNEXAMINED, cwd=folder)
    run(*RUNTREE, "models", "register", "latest", "churn", cwd=folder)
    run(*RUNTREE, "package", "models:/churn/1", "-o", "image", "--image", "localhost/churn:1", cwd=folder)
    image = folder / "image"
    run(sys.executable, "-m", "pip", "wheel", "-q", "-r", image / "requirements.txt", "-w", image / "wheels")
    return image


@pytest.fixture(scope="module")
def built(folder, packed):
    """Return the name of the image, which is removed at the end with the base that it was built from."""
    first = (packed / "Dockerfile").read_text().splitlines()[0].removeprefix("FROM ")
    base, tree = f"docker.io/library/{first}", Path(os.environ["BASE_TREE"])
    for file in tree.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        file.unlink()  # the official image has none
    container = run("buildah", "from", "scratch")
    run("buildah", "add", "-q", container, tree, "/")
    run("buildah", "commit", "-q", "--rm", container, base)
    try:
        run("buildah", "bud", "-q", *CHROOT, "--build-arg", "PIP_NO_INDEX=1", "-t", "localhost/churn:1", packed)
        yield "localhost/churn:1"
    finally:
        subprocess.run(["buildah", "rmi", "--force", "localhost/churn:1", base], capture_output=True)


@pytest.fixture(scope="module")
def container(built):
    name = run("buildah", "from", built)
    yield name
    run("buildah", "rm", name)


@pytest.fixture(scope="module")
def volume(folder):
    place = folder / "volume"
    place.mkdir()
    os.chown(place, USER, USER)
    return place


@pytest.fixture(scope="module")
def service(container, volume):
    """Return the address of the service in a container, and the process that started it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = read_only(container, volume, "python", f"{HOME}/entry.py", PORT=port, RUNTREE_OPEN="true")
    with (volume.parent / "said.txt").open("wb") as said:
        started = subprocess.Popen(words, stdout=said, stderr=said)
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + WAIT
    while started.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=2):
                break
        except OSError:
            time.sleep(0.2)
    else:
        raise AssertionError((volume.parent / "said.txt").read_text())
    yield address, started
    if started.poll() is None:
        os.kill(server_pid(port), signal.SIGKILL)
        started.wait()


def inside(container, volume, *words, **variables):
    """Return the words that run a command in a container as its user."""
    given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    user = f"{USER}:{USER}"
    return ["buildah", "run", *CHROOT, "--user", user, "--volume", f"{volume}:{WORK}", *given, container, "--", *words]


# a mount namespace of its own: nothing is left of it after the last process
READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1/srv/runtree"
mount -t tmpfs tmpfs "$1/tmp"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -o remount,ro,bind "$1"
root=$1; shift 2
exec chroot --userspec=10001:10001 "$root" "$@"
"""


def read_only(container, volume, *words, **variables):
    """Return the words that run a command as the image's user, with its variables, on a root that is read-only."""
    facts = json.loads(run("buildah", "inspect", container))["OCIv1"]["config"]
    given = [*facts["Env"], *(f"{name}={value}" for name, value in variables.items())]
    inner = ["env", "-i", *given, "sh", "-c", 'cd "$0" && exec "$@"', facts["WorkingDir"], *words]
    return ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", run("buildah", "mount", container), str(volume), *inner]


def server_pid(port):
    """Return the process of the service in the container, which shares the host's."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            owner = folder.stat().st_uid
        except OSError:
            continue
        if owner == USER and b"serve" in words and str(port).encode() in words:
            return int(folder.name)
    raise AssertionError("the service has no process of the image's user")


def read(url, body=None):
    request = urllib.request.Request(url, body and json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def port_of(service):
    return service[0].rpartition(":")[2]


def test_it_predicts_as_the_run_does(service, folder):
    address, _ = service
    described = json.loads(read(f"{address}/openapi.json"))
    content = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    example = content.get("example") or next(iter(content["examples"].values()))["value"]
    answer = json.loads(read(f"{address}/predict", example))
    assert (answer["model"], answer["version"]) == ("churn", "1")
    rows = example["rows"] if "rows" in example else example["records"]
    (folder / "rows.json").write_text(json.dumps(rows))
    run(*RUNTREE, "predict", "models:/churn/1", "rows.json", "-o", "out.csv", cwd=folder)
    predicted = [line.split(",")[0] for line in (folder / "out.csv").read_text().splitlines()[1:]]
    assert [one["prediction"] for one in answer["predictions"]] == predicted
    assert 'runtree_requests_total{path="/predict",status="200"} 1.0' in read(f"{address}/metrics")


def test_its_user_has_no_rights_and_may_write_on_its_volume_alone(service, container, volume):
    looks = "import os; print([p for p in ('/', '/opt/runtree', '/usr/lib', '/etc', '/root', '.') if os.access(p, os.W_OK)], os.getuid())"
    assert run(*inside(container, volume, "python", "-c", looks)) == f"['.'] {USER}"
    # the root of the service itself is read-only, for root, too
    flags = {
        line.split()[4]: line.split()[5]
        for line in (Path("/proc") / str(server_pid(port_of(service))) / "mountinfo").read_text().splitlines()
    }
    assert "ro" in flags["/"].split(",")
    assert "rw" in flags[WORK].split(",")


def test_it_says_whether_it_is_healthy_and_ends_when_it_is_told_to(service, container, volume):
    _, started = service
    port = port_of(service)
    check = inside(container, volume, "python", f"{HOME}/entry.py", "--check", PORT=port)
    assert subprocess.run(check, capture_output=True).returncode == 0
    os.kill(server_pid(port), signal.SIGTERM)
    assert started.wait(WAIT) == 0
    assert subprocess.run(check, capture_output=True).returncode != 0
    assert list((volume / "predictions").glob("*.parquet"))  # the log is whole


def test_it_refuses_a_model_that_was_changed(built, volume):
    container = run("buildah", "from", built)
    try:
        flips = (
            "import pathlib; p = pathlib.Path('/opt/runtree/registry/churn/versions/1/model/model.skops');"
            "b = bytearray(p.read_bytes()); b[len(b) // 2] ^= 1; p.write_bytes(b)"
        )
        run("buildah", "run", *CHROOT, "--user", "0:0", container, "--", "python", "-c", flips)
        shutil.rmtree(volume / "registry")
        refused = subprocess.run(
            inside(container, volume, "python", f"{HOME}/entry.py", PORT=0, RUNTREE_OPEN="true"),
            capture_output=True,
            text=True,
        )
        assert refused.returncode != 0
        assert "model.skops" in refused.stderr
    finally:
        run("buildah", "rm", container)
