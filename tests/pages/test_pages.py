"""What the pages say is true: commands are accepted, parameters exist, links, anchors and paths lead somewhere."""

import re
import shlex
from functools import cache

import pytest
import safetensors.torch
import torch

from benchmarks import png
from ofdb_core.base import provenance
from ofdb_core.base.values import problem
from ofdb_core.formulas import ifs, search
from ofdb_core.run import catalogue, commands, experiments, launch, parameter_files, plain_yaml, sweep
from tests.helpers import tiny
from tests.helpers.words import parsed

ROOT = provenance.PROJECT
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for place in ("", "docs/**/", "notebooks/")
    for path in ROOT.glob(f"{place}*.md")
}
del PAGES["CHANGELOG.md"]  # which may name what is no longer there
MADE = ("runs/", "data/", ".venv")  # by a run, a download, the set-up
# words of the command that are no experiment
OTHERS = commands.command.commands
CALL = r"(?:\./run_all\.sh|ofdb)(?=\s|$)"
KEYS = {"extends", "about"}  # of parameter files, beside parameters


def text(page):
    return PAGES[page].read_text(encoding="utf-8")


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$|^    .*?$", "", text(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The headings of a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def every(pattern, of=prose):
    """(page, match) for each match in any page, as parameters of a test."""
    return sorted({(page, found) for page in PAGES for found in re.findall(pattern, of(page), re.MULTILINE)})


@pytest.mark.parametrize(("page", "link"), every(r"\]\((?!https?://)([^)\s]+)\)"))
def test_a_link_leads_to_a_file_and_a_heading(page, link):
    name, _, anchor = link.partition("#")
    target = (PAGES[page].parent / name).resolve() if name else PAGES[page]
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.relative_to(ROOT).as_posix())


def test_the_readme_leads_to_every_page_and_stays_short():
    there = {f"docs/{name}" for name in re.findall(r"\]\(docs/([\w./-]+\.md)", text("README.md"))}
    assert there == {page for page in PAGES if page.startswith("docs/")}
    assert len(text("README.md").splitlines()) <= 70


TOPS = "|".join(sorted(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name != ".git"))


@pytest.mark.parametrize(("page", "path"), every(rf"`((?:{TOPS})/[\w./-]*)`"))
def test_a_path_that_is_named_is_there(page, path):
    assert path.startswith(MADE) or (ROOT / path).exists()


def commands(page):
    """The words of each command in a page's blocks of code and its tables, and of the jobs."""
    blocks = "\n".join(re.findall(r"^ *```(?:bash|sh)\n(.*?)^ *```$", text(page), re.DOTALL | re.MULTILINE))
    lines = re.findall(rf"^    ({CALL}.*)$", text(page), re.MULTILINE) + blocks.splitlines()
    lines += re.findall(rf"`({CALL} [^`]+)`", prose(page))
    lines += [f"./run_all.sh {words}" for words in re.findall(r"^sbatch .*jobs/slurm\.sh (.+)$", blocks, re.MULTILINE)]
    lines += [f"./run_all.sh {words}" for words in re.findall(r"^export WORDS=\"(.+?)\"", blocks, re.MULTILINE)]
    return [re.sub(f"^{CALL}", "", line.strip()) for line in lines if re.match(CALL, line.strip())]


@pytest.fixture
def stand_in(tmp_path):
    """Of a word for something of the reader's, the path of something that is there.

    Such words are FILE, DIR, a path, and a folder that the page names with a slash.
    """
    for part in ("train/images", "train/masks", "val/images", "val/masks"):
        (tmp_path / "DIR" / part).mkdir(parents=True)
    (tmp_path / "FILE").touch()

    def of(page, word):
        if not re.fullmatch(r"FILE|DIR|[\w.-]+/[\w./-]*", word) and f"`{word}/" not in text(page):
            return word
        return str(tmp_path / ("FILE" if word == "FILE" or "." in word.rpartition("/")[2] else "DIR"))

    return of


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)])
def test_a_command_is_one_that_would_run(page, line, stand_in, tmp_path, monkeypatch):
    words = shlex.split(line.replace(" [", " # ["), comments=True)
    if words[:1] == ["sweep"] != words:
        given = OTHERS["sweep"].make_context("sweep", words[1:]).params
        variants = [name for name in experiments.names() if name.startswith(f"{given['name']}/")]
        tiny.user_data([given["name"], *variants], tmp_path, monkeypatch)
        axes = {name: sweep.split(values) for name, values in given["overrides"]}
        assert sweep.cells(given["name"], given["names"], axes, given["seeds"], tmp_path)[0].roots
    if (
        not words or words[0].startswith("--") or words[0] in OTHERS or {"--params", "runs"} & set(words)
    ):  # of the reader's own
        return
    options = parsed(words)
    every = parameter_files.notebooks(options.experiment)
    assert set(options.names) <= set(every)
    chosen = [stage for stage in every if not options.names or stage in options.names]
    given = [(name, stand_in(page, value)) for name, value in options.overrides]
    parameter_files.checked(options.experiment, chosen, given, tmp_path)
    if options.options:
        launch.check(options.options)


@cache
def parameters():
    """Name -> the kinds of its values, over all stages."""
    found = {}
    for stage in catalogue.stages().values():
        for name, kind in stage.parameters.kinds().items():
            found.setdefault(name, []).append(kind)
            for part in stage.parameters.entries(name):
                for entry, its_kind in part.kinds().items():
                    found.setdefault(f"{name}.{entry}", []).append(its_kind)
    return found


@cache
def names():
    """Every word of the project's code, of its notebooks and of its parameter files."""
    paths = [*ROOT.glob("ofdb_core/**/*.py"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("params/*.yaml")]
    paths += [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("results/*.csv")]
    words = {word for path in paths for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    return words | {part for path in paths for part in re.findall(r"\w+", path.name)}


@pytest.mark.parametrize(("page", "name"), every(r"`([a-z]+(?:_[a-z0-9]+)+)`"))
def test_a_name_in_the_text_is_one_of_the_projects(page, name):
    assert name in parameters() or name in names()


@pytest.mark.parametrize(("page", "name"), every(r"`([a-z]+\.[a-z_]+)`"))
def test_an_entry_of_a_mapping_in_the_text_is_a_parameter(page, name):
    if name.partition(".")[0] == "live":
        assert name in parameters()


@pytest.mark.parametrize(("page", "given"), every(r"`(?:-p )?([a-z_.]+: [^`]+)`"))
def test_a_value_in_the_text_is_one_that_its_parameter_takes(page, given):
    name, _, value = given.partition(": ")
    assert name in KEYS or any(accepts(name, kind, value) for kind in parameters()[name])


@pytest.mark.parametrize(("page", "name", "value"), [(p, *f) for p, f in every(r"`-p ([a-z_.]+) ([^`]+)`")])
def test_an_override_in_the_text_is_one_that_its_parameter_takes(page, name, value):
    assert any(accepts(name, kind, shlex.split(value)[0]) for kind in parameters()[name])


def accepts(name, kind, value):
    """Whether a parameter takes a value as it is typed; capitals and dots stand for any."""
    if re.fullmatch(r"[A-Z/]+|.*\.\.\..*", value):
        return True
    try:
        return problem(name, plain_yaml.value_of(value, kind), kind) is None
    except ValueError:
        return False


@pytest.mark.parametrize("page", PAGES)
def test_the_code_on_a_page_is_python(page):
    for code in re.findall(r"^```python\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE):
        compile(code, page, "exec")


def test_the_code_for_the_authors_fine_tuning_writes_what_it_reads(tmp_path, monkeypatch):
    codes = re.findall(r"^```python\n(.*?)^```$", text("docs/data.md"), re.DOTALL | re.MULTILINE)
    (code,) = [code for code in codes if "ofdb.pth.tar" in code]
    (tmp_path / "runs" / "x" / "pretrain").mkdir(parents=True)
    weights = {"cls_token": torch.arange(4.0)}
    safetensors.torch.save_file(weights, tmp_path / "runs" / "x" / "pretrain" / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert torch.load("ofdb.pth.tar")["model"]["cls_token"].tolist() == [0, 1, 2, 3]


def test_the_page_on_data_has_its_table_from_the_results():
    between = text("docs/data.md").split(png.MARKS[0])[1].split(png.MARKS[1])[0]
    assert between.strip() == png.table().strip()


def test_the_page_on_data_names_the_weights_as_the_formula_takes_them():
    rows = re.findall(r"\| ([\d., ]+) \| `weight: ([\d.]+)` \|", text("docs/data.md"))
    assert len(rows) == 3
    for row, weight in rows:
        factors = [float(factor) for factor in row.split(",")]
        system = search.published(2, 0)
        assert ifs.digest([(0, system.weighted(factors))]) == ifs.digest([(0, system.weighted(float(weight)))])
