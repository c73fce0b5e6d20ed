"""The files by which the project is installed: the lock, the groups, conda, containers. None of them is run here."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ofdb_core.base import provenance

PROJECT = provenance.PROJECT
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
ABOUT = PYPROJECT["project"]
GROUPS = ABOUT["optional-dependencies"]
LOCK = (PROJECT / "requirements.txt").read_text().replace("\\\n", "")
IN_VENV = pytest.mark.skipif(
    Path(sys.prefix) != PROJECT / ".venv", reason="an environment of one's own has versions of its own"
)
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
SYSTEMS = [
    {"sys_platform": system, "platform_machine": machine, "python_full_version": python, "python_version": python[:4]}
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
    for python in ("3.11.0", "3.11.2", "3.14.0")
]


def pins():
    lines = [line.partition(" --hash")[0] for line in LOCK.splitlines() if line and not line.startswith(("#", " "))]
    torch = [line for line in (PROJECT / "requirements-torch.txt").read_text().splitlines() if "==" in line]
    return [Requirement(line) for line in lines + torch]


def named(texts):
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


def used():
    """What .venv holds, by name: the core and all groups but the clients."""
    return named([*ABOUT["dependencies"], *GROUPS["viewer"], *GROUPS["trackers"], *GROUPS["docs"], *GROUPS["test"]])


def test_every_line_of_the_lock_is_one_version_with_its_hashes():
    for line in LOCK.splitlines():
        assert line.startswith("#") or re.fullmatch(
            r"[a-z0-9-]+==[\w.]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+ *", line
        )


def test_each_pin_that_is_installed_admits_the_lowest_and_the_newest_python():
    """The lowest Python is the first release of 3.11, which a pin may refuse while it takes a later one."""
    names = [pin.name for pin in pins() if pin.marker is None]
    assert len(names) > 150
    for name in names:
        needed = Requirement(f"python{metadata.metadata(name).get('Requires-Python') or ''}").specifier
        assert all(needed.contains(python) for python in ("3.11.0", "3.11.2", "3.14.0")), name
    assert ABOUT["requires-python"] == ">=3.11,<3.15"


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: " ".join(system.values()))
def test_the_lock_has_one_pin_of_all_that_the_project_uses_wherever_it_is_installed(system):
    there = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(system)]
    names = [canonicalize_name(pin.name) for pin in there]
    assert len(names) == len(set(names))
    for name, wanted in used().items():
        assert next(pin for pin in there if canonicalize_name(pin.name) == name)
        assert wanted.specifier.contains(next(iter(there[names.index(name)].specifier)).version), name


@IN_VENV
def test_what_the_lock_leaves_out_is_not_here_unless_torch_brings_it():
    """Above all a grammar of web addresses, for which all that imports papermill would wait two seconds."""
    left_out = PYPROJECT["tool"]["uv"]["exclude-dependencies"]
    assert "rfc3987-syntax" in left_out
    brought = named(metadata.requires("torch") or [])
    here = {canonicalize_name(found.metadata["Name"]) for found in metadata.distributions()}
    assert not here & {name for name in left_out if name not in brought and not name.startswith("nvidia-")}


@IN_VENV
def test_what_is_installed_here_is_what_is_pinned():
    here = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate()]
    wrong = [str(pin) for pin in here if not pin.specifier.contains(metadata.version(pin.name).partition("+")[0])]
    assert not wrong


def test_every_dependency_has_a_lower_bound():
    for name, wanted in used().items():
        assert name.startswith("types-") or [bound.operator for bound in wanted.specifier] == [">="], name


def test_conda_has_the_same_names_and_bounds():
    *conda, last = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    found = {}
    for text in [*conda, *(word for word in last["pip"] if not word.startswith("-"))]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", text).groups()
        found[name] = bound
    assert found.pop("python") == ABOUT["requires-python"]
    assert {"pip", "setuptools"} <= set(found)
    wanted = {CONDA_NAMES.get(name, name): str(asked.specifier) for name, asked in used().items()}
    assert {
        canonicalize_name(name): bound for name, bound in found.items() if name not in ("pip", "setuptools")
    } == wanted
    assert last["pip"][-1] == "-e ."


def test_pip_reads_condas_lines_as_a_file_of_requirements(tmp_path):
    """conda writes them into one, in which no line may have options of the command."""
    from pip._internal.req.req_file import parse_requirements

    *_, last = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    file = tmp_path / "requirements.txt"
    file.write_text("\n".join(last["pip"]))
    read = [found.requirement for found in parse_requirements(str(file), session=None)]
    assert read == [word.removeprefix("-e ") for word in last["pip"]]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-clients.txt", "requirements-browser.txt"])
def test_every_pin_of_a_list_has_its_hashes(name):
    pins = re.sub(r"^#.*\n", "", (PROJECT / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    assert len(pins) > 1
    assert all(re.fullmatch(r"\S+==\S+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+", pin) for pin in pins)


def test_containers_name_files_that_exist():
    docker = (PROJECT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?:--chown=ofdb )?(\S+) ", docker, re.MULTILINE)
    assert copied == [".devcontainer/system-packages.sh", "."]
    assert all((PROJECT / path).exists() for path in copied)
    steps = {line.split()[0] for line in docker.splitlines() if line and line[0] != "#"}
    assert steps == {"ARG", "FROM", "ENV", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"}
    *_, user = re.findall(r"^USER (\S+)", docker, re.MULTILINE)
    assert user not in ("root", "0")
    ignored = (PROJECT / ".dockerignore").read_text().split("\n")
    assert not {"ofdb_core", "notebooks", "params", "requirements.txt", ".git"} & set(ignored)
    container = json.loads((PROJECT / ".devcontainer/devcontainer.json").read_text())
    assert ".devcontainer/system-packages.sh && ./run_all.sh --cpu list" in container["onCreateCommand"]


@pytest.mark.parametrize("path", sorted((PROJECT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_says_what_it_may_do_and_takes_actions_by_digest(path):
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)
    asked = yaml.safe_load(path.read_text())["permissions"]
    assert asked.pop("contents") == "read"
    assert asked == ({"pages": "write", "id-token": "write"} if path.name == "site.yml" else {})


@pytest.mark.parametrize(
    "path", ["run_all.sh", ".ci/run", ".ci/lock", ".binder/postBuild", ".devcontainer/system-packages.sh"]
)
def test_the_shell_reads_it(path):
    subprocess.run(["bash", "-n", PROJECT / path], check=True)
    assert path == ".ci/run" or (PROJECT / path).stat().st_mode & 0o111


def test_binder_installs_the_lock_as_run_all_does():
    script, binder = ((PROJECT / path).read_text() for path in ("run_all.sh", ".binder/postBuild"))
    for words in (
        "--no-deps --require-hashes -r requirements.txt",
        "-r requirements-torch.txt",
        "--no-deps --no-build-isolation -e .",
    ):
        assert words in script
        assert words in binder
    assert re.search(r'"(--index-url \S+)"', script).group(1) in binder
