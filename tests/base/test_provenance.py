"""What a version of code counts, and what it leaves out: on a copy of the package that is altered."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from ofdb_core.base import provenance
from ofdb_core.families import fractal_2d, fractal_3d, live_views
from ofdb_core.stages import pretrain

NOT_COPIED = shutil.ignore_patterns("__pycache__", "kernel-ipc*")
BUT_KERNELS = shutil.ignore_patterns("*.pyc*", "*.tmp.*", "kernel-ipc*")  # the compiled kernels are copied, too
ROOTS = {
    "images": (fractal_2d.image_files,),
    "views": (fractal_3d.view_files,),
    "training": (pretrain.pretrain, live_views.live_models),
    "report": ("6_report",),
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A function that alters a file of a copy of the project: every `old` becomes `new`."""
    for name in ("ofdb_core", "notebooks"):
        shutil.copytree(provenance.PROJECT / name, tmp_path / name, ignore=NOT_COPIED)

    def forget():
        provenance._module.cache_clear()
        provenance.code_version.cache_clear()

    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    monkeypatch.setattr(provenance, "NOTEBOOKS", tmp_path / "notebooks")
    forget()

    def alter(file, old, new):
        path = tmp_path / "ofdb_core" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        forget()

    yield alter
    forget()


def versions():
    return {name: provenance.code_version(*roots) for name, roots in ROOTS.items()}


@pytest.fixture(scope="module")
def before():
    """The versions of the project itself, a copy of which is altered."""
    return versions()


def changed(before):
    return {name for name, version in versions().items() if version != before[name]}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("formulas/raster.py", '"""Share of the pixels', '"""The share of all the pixels'),
        ("formulas/raster.py", "PAD = 6  # pixels kept free", "PAD = 6  # pixels that stay free"),
        ("training/model_card.py", "A network of OFDB Lab.", "A network by OFDB Lab."),
        ("training/states.py", "DIGITS = 16", "DIGITS = 20"),
        ("base/filling.py", 'unit="file"', 'unit="files"'),
        ("base/values.py", "is out of range", "is too large or too small"),
        ("show/plot.py", 'cmap="Blues"', 'cmap="Greens"'),
        ("run/launch.py", 'PATIENCE = "600"', 'PATIENCE = "900"'),
    ],
)
def test_what_cannot_change_a_result_does_not_count(before, copy, file, old, new):
    copy(file, old, new)
    assert changed(before) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("formulas/raster.py", "MARGIN = 3", "MARGIN = 4", {"images"}),
        ("formulas/raster.py", "image[y, x] = 1 + i % colours", "image[y, x] = 2 + i % colours", {"images"}),
        ("formulas/camera.py", "RUN = 256", "RUN = 512", {"views", "training"}),
        ("formulas/streams.py", "np.uint32(0x9908B0DF)", "np.uint32(0x9908B0DE)", {"images", "views", "training"}),
        # a function that is reached by numba's overload alone
        (
            "formulas/chaos_game.py",
            "(x * A[j, 0, 0] + y * A[j, 0, 1]) + t",
            "(y * A[j, 0, 1] + x * A[j, 0, 0]) + t",
            {"images"},
        ),
        ("training/loop.py", "VOTE_STEPS, VOTE_SECONDS = 10", "VOTE_STEPS, VOTE_SECONDS = 20", {"training"}),
        ("batches/mixing.py", "1 - (box[2]", "2 - (box[2]", {"training"}),
        ("families/live_views.py", "u[5:8] * 2 - 1", "u[5:8] * 3 - 1", {"training"}),
    ],
)
def test_what_computes_a_result_counts_for_this_result_alone(before, copy, file, old, new, expected):
    copy(file, old, new)
    assert changed(before) == expected


PARAMETERS = """
class Dots(Parameters):
    size: int = 3
    \"\"\"Pixels, each side.\"\"\"
    colour: str = "white"
    \"\"\"Of the dots.\"\"\"


@dataclass
class Fixed:
    size: int = 3


class Pair(NamedTuple):
    size: int = 3


def drawn(dots: Dots, fixed: Fixed = Fixed(), pair: Pair = Pair()):
    \"\"\"An image.\"\"\"
    return Dots, fixed, pair
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("Pixels, each side.", "Pixels from left to right.", False),  # an attribute's docstring
        ('    size: int = 3\n    "', '    size: int = 4\n    "', False),  # a parameter's default
        ('size: int = 3\n    "', 'size: float = 3\n    "', False),
        ("    colour: str", "    color: str", True),
        ("class Fixed:\n    size: int = 3", "class Fixed:\n    size: int = 4", True),
        ("class Pair(NamedTuple):\n    size: int = 3", "class Pair(NamedTuple):\n    size: int = 4", True),
    ],
)
def test_of_parameters_their_names_count_but_not_what_a_record_holds(copy, tmp_path, old, new, counts):
    (tmp_path / "ofdb_core" / "formulas" / "dots.py").write_text(PARAMETERS)

    def drawn(): ...

    drawn.__module__, drawn.__qualname__ = "ofdb_core.formulas.dots", "drawn"
    before = provenance.code_version(drawn)
    copy("formulas/dots.py", old, new)
    assert (provenance.code_version(drawn) != before) == counts


def test_every_docstring_and_comment_may_be_reworded(before, copy, tmp_path):
    for path in (tmp_path / "ofdb_core").rglob("*.py"):
        text = re.sub(r'^( *)"""(?=\w)', r'\1"""In other words: ', path.read_text(), flags=re.MULTILINE)
        path.write_text(re.sub(r"  # .*", "  # a comment", text))
    copy("__init__.py", "OFDB Lab", "The lab")
    assert changed(before) == set()


def test_the_report_depends_on_the_page_and_nothing_that_computes():
    from ofdb_core.show.report import Report

    parameters = Report(out="", title="a")
    assert [function.__name__ for function in parameters.code()] == ["page"]
    assert provenance.code_version("6_report", *parameters.code()) != provenance.code_version("6_report")


def command(project, *words):
    environment = {**os.environ, "PYTHONPATH": str(project)}
    call = [sys.executable, "-m", "ofdb_core", *words]
    done = subprocess.run(call, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_finished_training_outlives_a_change_of_code_and_cheap_stages_are_made_anew(tmp_path):
    """Through the command, on a copy of the project with the kernels that are compiled."""
    import yaml

    from tests.helpers import tiny

    for name in ("ofdb_core", "notebooks"):
        shutil.copytree(provenance.PROJECT / name, tmp_path / name, ignore=BUT_KERNELS)
    (tmp_path / "params").mkdir()
    data = tiny.folder_of_shades(tmp_path / "shades")
    values = {
        "3_render_visualatom": {"categories": 2, "image_size": 64},
        "4_pretrain": {**tiny.PRETRAIN, "data": data},
        "6_report": {},
    }
    (tmp_path / "params" / "tiny.yaml").write_text(yaml.safe_dump(values))

    def alter(file, old, new):
        path = tmp_path / "ofdb_core" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def reasons():
        told = command(tmp_path, "tiny")
        return told, dict(re.findall(r"^(\d_\w+): (.*)$", told, re.MULTILINE))

    command(tmp_path, "tiny")
    weights = (tmp_path / "runs/tiny/pretrain/model.safetensors").stat().st_mtime_ns
    alter("training/loop.py", "for pre-training and fine-tuning, on one device or many", "for any training")
    alter("formulas/contours.py", "The parameters of a category", "What a category is drawn by")
    assert all("skipped" in why for why in reasons()[1].values())
    alter("training/loop.py", "VOTE_STEPS, VOTE_SECONDS = 10", "VOTE_STEPS, VOTE_SECONDS = 20")
    alter("formulas/contours.py", "(across << FINE) + along - 1", "along - 1 + (across << FINE)")
    told, why = reasons()
    assert "its code changed" in why["3_render_visualatom"]
    assert re.search(
        r"pretrain: finished before, by other code \(\w+; today's is \w+\), and kept; -p changed restart", told
    )
    assert (tmp_path / "runs/tiny/pretrain/model.safetensors").stat().st_mtime_ns == weights
    assert "trained by code" in (tmp_path / "runs/tiny/report.html").read_text()
    assert all("skipped" in line for line in reasons()[1].values())
    command(tmp_path, "tiny", "4_pretrain", "-p", "changed", "restart")
    assert (tmp_path / "runs/tiny/pretrain/model.safetensors").stat().st_mtime_ns != weights


def test_a_system_that_does_not_say_which_cores_are_allowed_is_one_to_run_on(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert f"{os.cpu_count()} cores" in provenance.machine.__wrapped__()
