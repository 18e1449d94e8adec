import json
from pathlib import Path

import pytest

from runtree.records.manifest import sha256
from runtree.testing.fixtures import UNEXAMINED


@pytest.fixture
def trained(runtree):
    """Train something small whose page is not wanted, and return its folder."""
    assert runtree("train", "algorithm=dummy", "data=iris", *UNEXAMINED).code == 0
    [path] = Path("outputs/default").glob("*-????????")
    return path


def test_a_run_whose_page_was_not_wanted_gets_one(runtree, trained):
    assert not (trained / "report.html").exists()
    assert not (trained / "plots").exists()
    said = runtree("report", "latest")
    assert said.code == 0
    assert said.out.startswith(f"report   {trained}/report.html   (")
    assert said.out.endswith(f"next     runtree report {trained.name} --open\n")
    assert "dummy on iris" in (trained / "report.html").read_text()
    assert (trained / "plots" / "confusion.svg").exists()


def test_the_manifest_takes_the_page_in_and_forgives_nothing(runtree, trained):
    before = json.loads((trained / "manifest.json").read_text())
    (trained / "data.json").write_text((trained / "data.json").read_text() + " ")
    runtree("report", "latest")
    after = json.loads((trained / "manifest.json").read_text())
    assert {name: after[name] for name in before} == before
    assert after["report.html"] == sha256(trained / "report.html")
    assert "plots/confusion.svg" in after


def test_elsewhere_the_folder_stays_as_it_is(runtree, trained):
    before = sorted(trained.rglob("*"))
    said = runtree("report", trained.name, "-o", "page.html")
    assert (said.code, sorted(trained.rglob("*"))) == (0, before)
    assert said.out.startswith("report   page.html   (")
    assert "dummy on iris" in Path("page.html").read_text()


def test_what_was_removed_is_said(runtree, trained):
    (trained / "predictions.parquet").unlink()
    (trained / "evaluation.json").unlink()
    said = runtree("report", str(trained))
    assert said.code == 0
    assert "missing  predictions.parquet was not kept" in said.out
    assert "missing  there is no evaluation.json" in said.out


def test_an_unknown_run_is_exit_code_5(runtree, folder):
    said = runtree("report", "nothing")
    assert (said.code, said.out) == (5, "")
    assert "no runs in outputs" in said.err


def test_a_file_that_cannot_be_written_is_told_in_a_line(runtree, trained):
    said = runtree("report", "latest", "-o", "no/such/folder/page.html")
    assert said.code == 2
    assert "cannot write the report (No such file or directory)" in said.err


def test_a_sweep_and_its_runs(runtree, copied):
    name = copied.path.name
    assert (copied.path / "report.html").exists()
    (copied.path / "report.html").unlink()
    for what in ("latest", name, name[:11], str(copied.path)):
        said = runtree("report", what)
        assert said.code == 0
        assert said.out.startswith(f"report   {copied.path}/report.html")
    said = runtree("report", f"{name}/0001")
    assert said.out.startswith(f"report   {copied.path}/runs/0001/report.html")
    assert "knn on iris" in (copied.run(1).path / "report.html").read_text()


def test_a_name_of_both_is_asked_for_again(runtree, copied, trained):
    moved = copied.path.with_name(f"{trained.name[:15]}-sweep")
    if moved != copied.path:
        copied.path.rename(moved)
    said = runtree("report", trained.name[:15])
    assert said.code == 5
    assert "type more" in said.err


def test_it_is_opened_where_that_is_asked(runtree, trained, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", opened.append)
    runtree("report", "latest", "--open")
    assert opened == [(trained / "report.html").resolve().as_uri()]
