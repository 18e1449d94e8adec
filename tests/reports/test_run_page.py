import json
import re
from html.parser import HTMLParser

import pytest

from runtree.records.layout import RunFolder
from runtree.reports.render import render_run, write_report_elsewhere, write_run_report
from runtree.reports.run.content import read_run_content
from runtree.reports.run.page import LAST_SECTIONS, SECTIONS

BAD = "<script>alert(1)</script>\"'&"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Reads a page: what is open, what ids and links there are, what text; it complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.seen if name == tag]


def page(record) -> Reader:
    """Return the page of a run without drawing pictures."""
    return Reader(render_run(read_run_content(record), [record.folder / "plots"]))


def test_all_sections_of_a_whole_run(whole):
    read = Reader(whole.read_text())
    ids = [attributes["id"] for attributes in read.all("section") if "id" in attributes]
    assert ids == [name for name, *_ in (*SECTIONS, *LAST_SECTIONS) if name not in ("residuals",)]
    for text in (
        "Classifies people (600 \N{MULTIPLICATION SIGN} 2) with forest: target 'left', classes no and yes.",
        "Ship", "0.9000", "95% interval: 0.8500 to 0.9400", "test set used once, after selection",
        "few rows: data.test_size=0.3", "runtree rerun ", "runtree train 'data.path=my file.csv'",
        "age <= 30", "city = 東京 and note is missing", "+0.3000 (+0.2000 to +0.4000)", "2.00 s", "m (few rows)",
    ):  # fmt: skip
        assert text in read.text


def test_it_is_one_file_that_loads_nothing_and_runs_nothing(whole):
    text = whole.read_text()
    assert len(text.encode()) < 5_000_000
    read = Reader(text)
    assert not read.all("script") + read.all("link") + read.all("iframe") + read.all("object") + read.all("base")
    targets = [attributes.get(key, "#") for _, attributes in read.seen for key in ("href", "src", "action", "data")]
    assert all(target.startswith(("#", "data:image/")) for target in targets)
    assert not [key for _, attributes in read.seen for key in attributes if key.startswith("on")]
    assert not re.search(r"https?:|@import|url\(", text)


def test_it_can_be_read_without_eyes(whole):
    read = Reader(whole.read_text())
    assert read.all("html")[0]["lang"] == "en"
    assert len(read.all("h1")) == 1
    assert [tag for tag, _ in read.seen if re.fullmatch("h[1-6]", tag)] == ["h1", *["h2"] * len(read.all("h2"))]
    assert all("scope" in attributes for attributes in read.all("th"))
    assert len(read.all("img")) > 5
    assert all(attributes["alt"] for attributes in read.all("img"))
    ids = [attributes["id"] for _, attributes in read.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in read.seen if "aria-labelledby" in attributes]
    linked = [attributes["href"][1:] for _, attributes in read.seen if attributes.get("href", "").startswith("#")]
    assert set(named + linked) <= set(ids)
    assert len(read.all("caption")) == len(read.all("table"))


@pytest.mark.parametrize("case", ["binary", "regression"])
def test_a_name_that_is_code_is_only_a_name(write, case):
    found = {
        "importance": {"metric": BAD, "features": [{"feature": BAD, "mean": 0.1, "sd": 0.1}]},
        "dependence": [{"feature": BAD, "kind": "category", "grid": [BAD, "b"], "average": [[0.1, 0.2]], "class": BAD}],
        "slices": [{"where": f"{BAD} = {BAD}", "rows": 3, "metric": BAD, "value": 0.1, "overall": 0.2}],
        "findings": [{"name": BAD, "level": "warning", "says": BAD, "advice": BAD, "values": {}}],
        "classes": [{"class": BAD, "rows": 1, "confused_with": BAD}],
        "fairness": [{"column": BAD, "groups": [{"group": BAD, "rows": 1, BAD: 0.5}], "gaps": [{"metric": BAD, "kind": "difference", "value": 0.1}]}],
        "benchmark": {"passed": False, "explanation": BAD, "conditions": [{"condition": BAD, "value": BAD, "passed": False, "reason": BAD}]},
        "baselines": [{"name": BAD, "algorithm": BAD, "gain": {"metric": BAD, "value": 0.1, "low": 0.0, "high": 0.2}}],
    }  # fmt: skip
    record = write(
        case, found=found, column=BAD, overrides=[BAD], config={"algorithm.name": BAD, "data.name": BAD, "outputs": BAD}
    )
    (record.folder / "config.yaml").write_text(BAD)
    read = page(record)
    drawn = Reader(write_run_report(record).read_text())
    assert not read.all("script") + drawn.all("script")
    assert BAD in read.text
    assert read.text.count("alert(1)") > 10


def test_without_data_a_section_is_absent(write):
    record = write(found={})
    for name in ("data.json", "environment.json", "history.jsonl"):
        (record.folder / name).unlink()
    ids = [attributes["id"] for attributes in page(record).all("section") if "id" in attributes]
    assert ids == ["metrics", "reproduce", "config", "time", "files"]


@pytest.mark.parametrize("name", ["data.json", "evaluation.json", "metrics.json", "predictions.parquet", "config.yaml"])
def test_a_missing_file_costs_its_section_and_never_the_page(write, name):
    record = write()
    (record.folder / name).unlink(missing_ok=True)
    read = page(record)
    assert "0.9000" in read.text
    assert "runtree rerun" in read.text


def test_what_was_removed_is_said(write):
    record = write()
    folder = RunFolder(record.folder)
    folder.predictions.unlink()
    folder.cleaned.write_text(json.dumps({"predictions.parquet": {"bytes": 9, "removed": "2026-01-01"}}))
    read = page(record)
    assert "predictions.parquet was removed by runtree clean" in read.text
    assert "Baseline comparison" in read.text
    assert "Confusion matrix" not in read.text


@pytest.mark.parametrize("name", ["data.json", "evaluation.json", "metrics.json", "predictions.parquet", "config.yaml"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00{", b"[1, 2]", b'{"findings": 3, "baselines": [4], "columns": 5, "split": 6, "target": 7}'],
)
def test_a_damaged_file_is_said_and_the_rest_is_told(write, name, content):
    record = write()
    (record.folder / name).write_bytes(content)
    read = page(record)
    assert "0.9000" in read.text
    assert "runtree rerun" in read.text


def test_a_failed_run_tells_why(write):
    error = {"type": "DataError", "message": "data.path: no such file", "hints": ["look at it"]}
    record = write(state="failed", reason="error", error=error, metrics={}, objective={}, found={})
    read = page(record)
    for text in ("No model", "data.path: no such file", "look at it", "runtree show 20260102-030405-c0ffee --log"):
        assert text in read.text


def test_an_svg_of_a_plugin_is_an_image_in_which_no_script_runs(write):
    record = write()
    (record.folder / "plots").mkdir()
    evil = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script></svg>'
    (record.folder / "plots/shap.svg").write_text(evil)
    read = page(record)
    [image] = read.all("img")
    assert image["src"].startswith("data:image/svg+xml;base64,")
    assert image["alt"].startswith("shap")
    assert "More plots" in read.text


def test_pictures_that_are_too_large_are_named_and_left_out(write):
    record = write()
    (record.folder / "plots").mkdir()
    (record.folder / "plots/huge.svg").write_bytes(b"x" * 700_000)
    (record.folder / "plots/learning_curve.svg").write_bytes(b"no picture")
    text = page(record).text
    assert "plots/huge.svg is too large for this page" in text
    assert "plots/learning_curve.svg cannot be read" in text


def test_the_page_elsewhere_leaves_the_folder_as_it_is(write, folder):
    record = write()
    before = sorted(path.name for path in record.folder.rglob("*"))
    (folder / "drawn").mkdir()
    write_report_elsewhere(record, folder / "page.html", folder / "drawn")
    assert sorted(path.name for path in record.folder.rglob("*")) == before
    assert "Confusion" in (folder / "page.html").read_text()


def test_the_hash_is_that_of_sha256sum(whole):
    import hashlib
    import subprocess

    told = re.search(r"sorted lines of sha256sum: ([0-9a-f]{64})", whole.read_text())
    names = sorted(
        path.relative_to(whole.parent).as_posix() for path in whole.parent.rglob("*")
        if path.is_file() and "plots" not in path.parts and path.name not in ("report.html", "run.json") and path.name[0] != "."
    )  # fmt: skip
    lines = subprocess.run(["sha256sum", *names], cwd=whole.parent, capture_output=True, check=True).stdout
    assert told[1] == hashlib.sha256(lines).hexdigest()


def test_the_environment_of_this_process_is_never_told(write, monkeypatch):
    monkeypatch.setenv("RUNTREE_TEST_TOKEN", "hush-hush")
    record = write()
    assert "hush-hush" not in render_run(read_run_content(record), [record.folder / "plots"])


def test_no_mark_that_turns_the_writing_is_in_a_page(write):
    record = write("binary", column="\u202egnp.exe\u2066\x1b[2J", overrides=["\u202e"], config={"data.name": "\x9b"})
    html = write_run_report(record).read_text()
    assert not {"\u202e", "\u2066", "\x1b", "\x9b"} & set(html)
    assert "\\u202egnp.exe" in html
