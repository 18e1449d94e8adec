"""What a host lacks, each thing once there and once not."""

import socket
from collections import namedtuple
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtree.packaging import host
from runtree.packaging.host import examine


def facts(subject="train", port=0, outputs="outputs", **options):
    return {fact.subject: fact for fact in examine(subject, port, Path(outputs), **options)}


def test_nothing_lacks_here(folder):
    found = facts()
    assert {"python", "packages", "disk", "memory", "cores", "files"} <= set(found)
    assert not [fact for fact in found.values() if fact.state == "lacking"]


@pytest.mark.parametrize(
    ("place", "answer", "subject", "says"),
    [
        ("platform.python_version", lambda: "3.9.1", "python", "3.9.1"),
        ("shutil.disk_usage", lambda place: namedtuple("Usage", "total free")(9, 9), "disk", "0.0 GB free"),
        ("os.access", lambda place, mode: False, "disk", "cannot be written"),
        ("version", lambda name: "0.1", "packages", "is 0.1"),
    ],
)
def test_what_lacks_is_told_with_a_remedy(folder, monkeypatch, place, answer, subject, says):
    monkeypatch.setattr(f"runtree.packaging.host.{place}", answer)
    fact = facts()[subject]
    assert fact.state == "lacking"
    assert says in fact.found
    assert fact.remedy


def test_a_package_that_is_not_there_is_named(folder, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(host, "version", missing)
    assert facts()["packages"].remedy.startswith("pip install '")


def test_what_works_with_a_remark_is_no_lack(folder, monkeypatch):
    monkeypatch.setattr(host.psutil, "virtual_memory", lambda: SimpleNamespace(available=1))
    monkeypatch.setattr(host.resource, "getrlimit", lambda which: (64, 64))
    found = facts()
    assert (found["memory"].state, found["files"].state) == ("note", "note")


def test_a_port_that_is_taken_lacks_for_a_service_alone(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert facts("serve", port)["port"].state == "lacking"
        assert "port" not in facts("train", port)
    assert facts("serve", 0)["port"].state == "ok"


def test_what_builds_images_must_answer(folder, monkeypatch):
    installed, answering = {"docker", "buildah"}, {"buildah"}
    monkeypatch.setattr(host.shutil, "which", lambda name: f"/usr/bin/{name}" if name in installed else None)
    monkeypatch.setattr(host, "_answers", lambda name: name in answering)
    assert facts("package")["builder"].found == "buildah (docker not answering)"
    answering.clear()  # a client without its daemon builds nothing
    assert facts("package")["builder"].state == "lacking"
    assert "docker, buildah: installed, but not answering" in facts("package")["builder"].found
    installed.clear()
    assert facts("package")["builder"].state == "lacking"


def test_a_builder_answers_by_its_exit_code(tmp_path, monkeypatch):
    for name, code in (("works", 0), ("fails", 1)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    assert [host._answers(str(tmp_path / name)) for name in ("works", "fails", "absent")] == [True, False, False]


def test_an_extra_that_what_is_installed_does_not_know_is_lacking(folder, monkeypatch):
    monkeypatch.setattr(host, "EXTRAS", {**host.EXTRAS, "train": ("no_such",)})
    assert facts("train")["packages"].found == "runtree[no_such] is not known to what is installed"


def test_the_command_says_it_and_exits_with_3(runtree, monkeypatch):
    assert runtree("doctor").code == 0
    monkeypatch.setattr("runtree.packaging.host.os.access", lambda place, mode: False)
    said = runtree("doctor")
    assert (said.code, "lacking:" in said.out, "1 thing lacking" in said.out) == (3, True, True), said.out
