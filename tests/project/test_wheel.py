"""What a plain install is able to do: a wheel, built from a copy of the project, in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from ofdb_core.base import project, record

pytestmark = pytest.mark.slow

BUILT_FROM = ("ofdb_core", "jupyter", "notebooks", "params", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory):
    """The folder of `ofdb` and Python in an environment with the wheel, which borrows all other packages."""
    root = tmp_path_factory.mktemp("install")
    for name in BUILT_FROM:
        path = project.SOURCE / name
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(path, root / "source" / name, ignore=ignore) if path.is_dir() else shutil.copy(
            path, root / "source"
        )
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", root / "wheels", root / "source"]
    subprocess.run([*pip, *wheel], check=True)
    venv.create(root / "venv", symlinks=True)
    python = root / "venv" / "bin" / "python"
    install = ["--python", python, "install", "--no-deps", "--no-index", *(root / "wheels").glob("*.whl")]
    subprocess.run([*pip, *install], check=True)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    Path(own.stdout.strip(), "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a"]  # a repository, not of this project
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    return python.parent


def ofdb(bin_folder, *words, cwd, status=0):
    """What `ofdb` prints in a folder."""
    ours = ("OFDB_PROJECT", "OFDB_PARAMS", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    told = subprocess.run([bin_folder / "ofdb", *words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert told.returncode == status, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    return told.stdout + told.stderr


SMALL = ["quickstart", "1_search_categories", "-p", "categories", "2"]


def test_each_file_of_the_package_is_in_it(bin_folder, tmp_path):
    code = "import ofdb_core; print(ofdb_core.__path__[0])"
    told = subprocess.run([bin_folder / "python", "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    roots = project.SOURCE / "ofdb_core", Path(told.stdout.strip())
    files = [path.relative_to(roots[0]) for path in roots[0].rglob("*.*") if "__pycache__" not in path.parts]
    assert len(files) > 100
    assert [file for file in files if not (roots[1] / file).is_file()] == []


def test_an_installed_command_runs_from_an_empty_folder(bin_folder, tmp_path):
    assert "quickstart " in ofdb(bin_folder, "list", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    told = ofdb(bin_folder, *SMALL, cwd=tmp_path)
    assert f"results are in {tmp_path / 'runs' / 'quickstart'}" in told
    entry = record.read(tmp_path / "runs" / "quickstart")["1_search_categories"]
    assert entry["commit"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_project_of_ones_own_is_known_from_within(bin_folder, tmp_path):
    mine = tmp_path / "mine"
    assert "is a project" in ofdb(bin_folder, "init", "mine", cwd=tmp_path)
    names = {path.relative_to(mine).as_posix() for path in mine.rglob("*") if path.is_file()}
    shipped = [*project.SOURCE.glob("notebooks/*.ipynb"), *project.SOURCE.glob("params/*.yaml")]
    assert {path.relative_to(project.SOURCE).as_posix() for path in shipped} < names
    path = mine / "params" / "quickstart.yaml"
    path.write_text(path.read_text().replace("categories: 128 ", "categories: 3 "))
    told = ofdb(bin_folder, *SMALL[:2], cwd=mine / "notebooks")
    assert f"results are in {mine / 'runs' / 'quickstart'}" in told
    assert len(list((mine / "runs" / "quickstart" / "categories").glob("*.csv"))) == 3
    again = ofdb(bin_folder, "init", "mine", cwd=tmp_path)
    assert "params/quickstart.yaml: differs from the package's, and is kept" in again
    assert again.count("differs") == 1


def test_what_needs_a_clone_or_a_project_says_so(bin_folder, tmp_path):
    assert "the tests are in a clone" in ofdb(bin_folder, "test", cwd=tmp_path, status=2)
    assert "`ofdb init DIR` makes a project" in ofdb(bin_folder, "lab", cwd=tmp_path, status=2)
    (tmp_path / "file").touch()
    assert "no project can be made here" in ofdb(bin_folder, "init", "file", cwd=tmp_path, status=2)
    assert ofdb(bin_folder, "quickstrt", cwd=tmp_path, status=2).startswith("ofdb: nothing was run:")
