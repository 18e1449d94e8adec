"""The modules of a user's own are found with what they import, kept with their hash, and compared later."""

import importlib
import json
import sys

import pytest

from runtree.records import user_code
from runtree.records.user_code import changed_modules, find_sources, module_hashes, sources_fingerprint, write_sources

FILES = {
    "own_net.py": "import json\nimport numpy\nimport own_layers\nfrom own_pkg.blocks import Block\nclass Net: pass\n",
    "own_layers.py": "WIDTH = 3\n",
    "own_pkg/__init__.py": "",
    "own_pkg/blocks.py": "from .deep import depth\nfrom . import sizes\nclass Block: pass\n",
    "own_pkg/deep.py": "depth = 2\n",
    "own_pkg/sizes.py": "size = 4\n",
    "own_pkg/unused.py": "size = 5\n",
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Return the sources behind `own_net.Net`."""
    (tmp_path / "own_pkg").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("own_net")
    yield find_sources(["sklearn.linear_model.Ridge", "own_net.Net", "runtree.data.files.TableFile"])
    for name in [name for name in sys.modules if name.partition(".")[0] in ("own_net", "own_layers", "own_pkg")]:
        del sys.modules[name]


def test_a_module_is_found_with_what_it_imports_of_the_users_own(sources):
    assert {source.name for source in sources} == set(FILES) - {"own_pkg/unused.py"}


def test_copies_and_hashes_are_kept(sources, tmp_path):
    write_sources(sources, tmp_path / "code")
    for source in sources:
        assert (tmp_path / "code" / source.name).read_text() == FILES[source.name]
    assert module_hashes(tmp_path / "code") == {source.module: source.sha256 for source in sources}
    assert changed_modules(tmp_path / "code") == []


def test_a_changed_file_is_named_whether_it_is_imported_or_not(sources, tmp_path):
    write_sources(sources, tmp_path / "code")
    (tmp_path / "own_pkg" / "deep.py").write_text("depth = 3\n")
    (tmp_path / "own_layers.py").write_text("WIDTH = 4\n")
    del sys.modules["own_layers"]
    assert changed_modules(tmp_path / "code") == ["own_layers", "own_pkg.deep"]
    assert [source.is_current for source in sources].count(False) == 2


def test_a_missing_module_or_index_is_no_change(sources, tmp_path):
    assert changed_modules(tmp_path / "code") == []
    write_sources(sources, tmp_path / "code")
    index = tmp_path / "code" / "modules.json"
    index.write_text(json.dumps({"not_there_at_all": {"sha256": "0"}, "own_net": "damaged"}))
    assert changed_modules(tmp_path / "code") == []


def test_only_the_hash_of_a_large_file_is_kept(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(user_code, "MAX_FILE_BYTES", 40)
    write_sources(sources, tmp_path / "code")
    index = json.loads((tmp_path / "code" / "modules.json").read_text())
    assert not index["own_net"]["copied"]
    assert not (tmp_path / "code" / "own_net.py").exists()
    assert index["own_layers"]["copied"]


def test_the_fingerprint_follows_the_content_and_not_the_order(sources, tmp_path):
    first = sources_fingerprint(sources)
    assert sources_fingerprint(reversed(sources)) == first
    (tmp_path / "own_layers.py").write_text("WIDTH = 4\n")
    assert sources_fingerprint(find_sources(["own_net.Net"])) != first


def test_nothing_is_written_for_a_run_without_own_code(tmp_path):
    write_sources(find_sources(["sklearn.linear_model.Ridge"]), tmp_path / "code")
    assert not (tmp_path / "code").exists()
