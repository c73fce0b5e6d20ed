"""`clean`: what it shows, what it removes, and what it never touches."""

import fcntl

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import project
from ofdb_core.run import clean
from ofdb_core.run.experiments import UsageError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A clone with an environment, two runs, data and caches, and a folder of somebody else's beside it."""
    home = tmp_path / "clone"
    monkeypatch.setattr(project, "FOLDER", home)
    monkeypatch.setattr(project, "SOURCE", home)
    for name in (
        *(".venv/bin/python", "runs/quickstart/images/a.png", "runs/few/longer/record.json", "site/index.html"),
        *("data/set/a.png", "data/set.manifest.json", "data/costs.json", "ofdb_core/ifs.py", ".ruff_cache/x"),
        *("ofdb_core/formulas/__pycache__/ifs.nbi", "../others/precious"),
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"x" * 1000)
    return home


def removed(home, *names):
    """The files that vanish, as seen from the folder around the clone."""
    before = {path for path in home.parent.rglob("*") if path.is_file() or path.is_symlink()}
    assert command.main(["clean", "--yes", *names]) == 0
    return {path.relative_to(home).as_posix() for path in before if not path.exists() and not path.is_symlink()}


def test_it_shows_what_takes_space_and_removes_nothing(home, capsys):
    command.main(["clean"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert rows == [
        [".venv", "1", "kB"],
        ["caches", "2", "kB"],
        ["data/costs.json", "1", "kB"],
        ["data/set", "1", "kB"],
        ["data/set.manifest.json", "1", "kB"],
        ["runs/few", "1", "kB"],
        ["runs/quickstart", "1", "kB"],
        ["site", "1", "kB"],
        ["together", "9", "kB"],
    ]
    assert (home / "runs" / "quickstart" / "images" / "a.png").exists()


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        (["runs/quickstart"], {"runs/quickstart/images/a.png"}),
        (["runs/few/longer/"], {"runs/few/longer/record.json"}),
        (["data/set"], {"data/set/a.png", "data/set.manifest.json"}),
        (["runs", "site"], {"runs/quickstart/images/a.png", "runs/few/longer/record.json", "site/index.html"}),
        (["caches"], {"ofdb_core/formulas/__pycache__/ifs.nbi", ".ruff_cache/x"}),
        ([".venv", "data/costs.json"], {".venv/bin/python", "data/costs.json"}),
    ],
)
def test_it_removes_what_is_named_and_nothing_else(home, capsys, names, gone):
    assert removed(home, *names) == gone
    assert "removed " in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "../others", "runs/../../others", "/etc", "ofdb_core", "runs/nothing", ".git", "x\0y"]
)
def test_what_is_not_the_projects_own_is_refused_with_all_else_that_is_named(home, name):
    with pytest.raises(UsageError, match="clean: there is no "):
        command.main(["clean", "--yes", "runs/quickstart", name])
    assert (home / "runs" / "quickstart").is_dir()
    assert (home.parent / "others" / "precious").is_file()


def test_a_misspelled_name_is_guessed(home):
    with pytest.raises(UsageError, match=r"no runs/quickstrt \(did you mean runs/quickstart\?\)"):
        command.main(["clean", "--yes", "runs/quickstrt"])


@pytest.mark.parametrize(("link", "name"), [("runs/mine", "runs/mine"), ("data/set/in", "data/set/in/precious")])
def test_nothing_is_removed_through_a_link(home, link, name):
    (home / link).symlink_to(home.parent / "others")
    with pytest.raises(UsageError, match=r"is a link to .*others; remove by hand what is there"):
        command.main(["clean", "--yes", name])
    assert (home.parent / "others" / "precious").is_file()


def test_a_link_inside_is_removed_and_what_it_leads_to_is_not(home):
    (home / "data" / "set" / "in").symlink_to(home.parent / "others")
    assert removed(home, "data/set") == {"data/set/a.png", "data/set/in", "data/set.manifest.json"}


@pytest.mark.parametrize(
    ("lock", "name"), [("runs/quickstart/.lock", "runs"), ("data/.cifar10.lock", "data"), (".venv.lock", ".venv")]
)
def test_what_another_run_is_at_work_on_is_kept(home, lock, name):
    with (home / lock).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(UsageError, match="another run is at work there"):
            command.main(["clean", "--yes", name])
    assert removed(home, name)


def test_it_asks_before_it_removes(home, monkeypatch, capsys):
    with pytest.raises(UsageError, match="this is no terminal, so clean cannot ask; give --yes"):
        command.main(["clean", "site"])
    asked = []
    clean.remove(["site"], agreed=lambda question: asked.append(question))
    assert asked == ["remove site (1 kB)?"]
    assert (home / "site").is_dir()


def test_an_installed_package_is_not_cleaned(home, monkeypatch):
    monkeypatch.setattr(project, "INSTALLED", True)
    assert not {".venv", "caches"} & {*clean.entries()}
    with pytest.raises(UsageError, match=r"there is no \.venv"):
        command.main(["clean", "--yes", ".venv"])
