"""What is shipped: a wheel, and a wheel built from the sdist, hold the package and its options, and nothing of the checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build sdist and wheel from the checkout, and a wheel from the unpacked sdist, without a network."""
    place = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "-q", "--no-isolation"]
    subprocess.run([*build, "--sdist", "--wheel", "--outdir", str(place), str(ROOT)], check=True)
    [sdist] = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place / "unpacked", filter="data")
    [source] = (place / "unpacked").iterdir()
    subprocess.run([*build, "--wheel", "--outdir", str(place / "again"), str(source)], check=True)
    return next(place.glob("*.whl")), next((place / "again").glob("*.whl"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_from_the_sdist_holds_the_same_files(built):
    direct, again = built
    assert names(direct) == names(again)


def test_the_wheel_holds_every_module_and_every_option(built):
    held = names(built[0])
    modules = {str(path.relative_to(ROOT / "framework")) for path in (ROOT / "framework").rglob("*.py")}
    options = {f"runtree/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    templates = {str(path.relative_to(ROOT / "framework")) for path in (ROOT / "framework").rglob("templates/*")}
    assert len(templates) > 5
    assert modules | options | templates | {"runtree/py.typed"} <= held
    assert not [name for name in held if name.startswith(("tests", "plugins", "conf/", "framework"))]


@pytest.mark.parametrize("which", [0, 1])
def test_an_installed_wheel_trains_from_any_folder(built, folder, which):
    site = folder / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "-q",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, str(built[which])], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import runtree; assert runtree.__file__.startswith(sys.path[0]), runtree.__file__\n"
        "from runtree.cli.main import main; main()"
    )
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "algorithm=ridge"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(elsewhere.glob("outputs/default/*/model/model.skops"))) == 1
