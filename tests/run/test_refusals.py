"""What an experiment refuses before anything runs, and what it says."""

import os
import subprocess
import sys

import pytest
import yaml
from accelerate.commands.config import config_args

from ofdb_core import __main__ as command
from ofdb_core.base import files, parameters, values
from ofdb_core.run import catalogue, experiments, launch, notebook, parameter_files
from tests.helpers import tiny

SEARCH = {"categories": 3, "search_points": 500, "filling_rate": 0.0005}
RENDER = {"image_size": 32, "points": 300}


def run(*words):
    return command.main([*map(str, words)])


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_of_the_project_is_valid(name, tmp_path, monkeypatch):
    notebooks = parameter_files.notebooks(name)
    tiny.user_data([name], tmp_path, monkeypatch)
    assert parameter_files.checked(name, notebooks, [], tmp_path)


@pytest.mark.parametrize(
    ("notebooks", "message"),
    [
        (
            {"1_search_categories": {"categoris": 3}},
            r"1_search_categories: categoris: unknown .*did you mean categories",
        ),
        ({"1_search_categories": "filling_rate: '2e-1'"}, "filling_rate: '2e-1' is not allowed; .* has no quotes"),
        ({"1_search_categories": "search_seed: 010"}, "search_seed: '010' is not allowed; .* leading zeros"),
        ({"6_report": "title: 2024"}, "title: 2024 is not allowed; .* quotes make it text: title: '2024'"),
        ({"6_report": "title: A: B"}, "mapping values are not allowed here; a text with .* needs quotes"),
        ({"1_search_categories": {"search_points": -5}}, "search_points: -5 is out of range"),
        (
            {"1_search_categories": {"search_points": 500}},
            "filling_rate: 0.2 is out of range; 500 points can light 0 to 0.0019",
        ),
        ({"1_search_categories": {"points": 500}}, r"points: unknown parameter \(it is called search_points here\)"),
        ({"1_search_catgories": {}}, r"1_search_catgories: no stage \(did you mean 1_search_categories\?\)"),
        ({"1_search_categories": "1: 2"}, "1: is no name; quotes make it one"),
        ({"1_search_categories": "when: 2024-13-01"}, "when: unknown parameter"),
        ({"1_search_categories": "seed: 1\nseed: 2"}, "seed: is there twice"),
        ({"1_search_categories": f"seed: 1 {'#' * 2**16}"}, "at most 65,536 are allowed"),
        ({"1_search_categories": {"out": "elsewhere"}}, "out is not allowed here; give --out DIR"),
        ({"1_search_categories": "a: [b"}, "cannot be read"),
        ({"1_search_categories": "- a"}, r"tiny: 1_search_categories: \['a'\]: neither a stage with its parameters"),
        ({"4_pretrain": {"live_patches": "both"}}, r"live_patches: unknown .*it is called live\.patches here"),
        (
            {"4_pretrain": {"data": "models", "samples": "live", "live.patchs": "both"}},
            r"4_pretrain: live\.patchs: no parameter of data: models \(did you mean patches\?\)",
        ),
        ({"2_render_2d": {}}, "categories is missing or unfinished; run 1_search_categories first"),
        ({"5_finetune": {"data": "/nowhere"}}, "data: '/nowhere' is none of digits, .* no folder"),
    ],
)
def test_mistakes_in_parameter_files_are_refused_before_anything_runs(params, notebooks, message):
    out = params(**notebooks)
    with pytest.raises((parameters.ParameterError, experiments.UsageError), match=message):
        run("tiny", "--out", out)
    assert not out.exists()


def test_a_parameter_file_that_is_no_text_is_refused(params, tmp_path):
    out = params(**{"1_search_categories": SEARCH})
    (tmp_path / "params" / "tiny.yaml").write_bytes(b"\x80")
    with pytest.raises(experiments.UsageError, match="cannot be read"):
        run("tiny", "--out", out)


def test_a_model_that_does_not_exist_is_refused_before_anything_runs(params):
    out = params(
        **{"1_search_categories": SEARCH, "2_render_2d": RENDER, "4_pretrain": {"model": "vit_tny_patch16_224"}}
    )
    with pytest.raises(parameters.ParameterError, match=r"vit_tny_patch16_224.*vit_tiny_patch16_224"):
        run("tiny", "--out", out)
    assert not (out / "categories").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tny"], r"tny: no such experiment \(did you mean tiny\?\); there are .*tiny.*; `list` shows"),
        (["lst"], r"lst: no such experiment \(did you mean list\?\)"),
        (["complete"], r"\(did you mean completion\?\)"),
        (["tiny", "2_rendr_2d"], r"no notebook of tiny \(did you mean 2_render_2d\?\)"),
        (["tiny", "-p", "image_sise", "5"], r"-p image_sise: unknown parameter .*did you mean image_size"),
        (["tiny", "-p", "live_patches", "both"], r"-p live_patches: unknown .*it is called live\.patches here"),
        (["tiny", "-p", "live.patchs", "both"], r"-p live\.patchs: unknown .*did you mean live\.patches"),
        (["tiny", "-p", "live.patches", "random"], "live.patches: 'random' is not allowed; .* one of stored, pattern"),
        (["tiny", "-p", "image_size", "big"], "image_size: 'big' is not allowed"),
        (["tiny", "-p", "2_render_2d.image_size", "4"], "2_render_2d: image_size: 4 is out of range"),
        (["tiny", "-p", "1_search_categories.image_size", "64"], "unknown parameter"),
        (["tiny", "-p", "out", "x"], "unknown parameter"),
        (["tiny", "-p", "seed", "010"], "seed: '010' is not allowed; .* leading zeros"),
        (["tiny", "-p", "weight", "&a [*a]"], r"-p weight: .* cannot be read \(\*a: aliases are not allowed"),
        (["tiny", "--out", "x" * 300], "nothing can be written here .*too long"),
        (["tiny", "--out", "x/" * 2000], "nothing can be written here .*too long"),
        (["verify", "/nowhere"], "no manifest here or below"),
    ],
)
def test_mistakes_on_the_command_line_are_refused_before_anything_runs(params, words, message):
    training = {"data": "categories", "samples": "live"}
    out = params(**{"1_search_categories": SEARCH, "2_render_2d": RENDER, "4_pretrain": training})
    with pytest.raises((parameters.ParameterError, experiments.UsageError), match=message):
        run(*words, *([] if {"verify", "--out"} & {*words} else ["--out", out]))
    assert not out.exists()


def test_two_runs_never_share_a_folder(params, monkeypatch):
    out = params(**{"1_search_categories": SEARCH})
    monkeypatch.setattr(notebook, "execute", lambda *_: run("tiny", "--out", out))  # a second run, during the first
    with pytest.raises(experiments.UsageError, match="another run is at work"):
        run("tiny", "--out", out)


@pytest.mark.parametrize("junk", [b"", b"{}", b"[1]", b"\xff\xfe"])
def test_a_broken_record_is_named(params, junk):
    out = params(**{"1_search_categories": SEARCH})
    out.mkdir()
    (out / "record.json").write_bytes(junk)
    with pytest.raises(files.Unreadable, match=r"record\.json: not a record of a run .*; move it away and run again"):
        run("tiny", "--out", out)


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_link_to_itself_is_no_folder_for_results(params, tmp_path, below):
    params(**{"1_search_categories": SEARCH})
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(experiments.UsageError, match=r"nothing can be written here .*; give another --out"):
        run("tiny", "--out", tmp_path / "loop" / below)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--machine_rank x", "invalid int value: 'x'"),
        ("--machine_rank 1", "machine_rank: 1 is out of range"),
        ('--a "b', "No closing quotation"),
        ("--num_processes 0", "num_processes: 0 is out of range"),
        ("--num_processes", "invalid int value: 'the training'"),
        ("--num_machines -1", "num_machines: -1 is out of range"),
        ("--main_process_port 70000", "main_process_port: 70000 is out of range"),
        ("--no_such_option", "unrecognized arguments: --no_such_option"),
        ("train.py", "'train.py' is no option"),
        ("--module", "--module and --no_python are not allowed"),
        ("--multi_gpu --num_processes 1", "--multi_gpu needs --num_processes 2 or more"),
        ("--multi_gpu --cpu", "--cpu and --multi_gpu exclude each other"),
        ("--cpu --num_processes 2", "one process alone; give --multi_gpu --num_processes 2, which uses CPUs"),
        ("--config_file nowhere", "--config_file: nowhere is no file"),
        ("--config_file README.md", "README.md: is no file of `accelerate config`"),
        *((f"--{name}", f"--{name} is not supported; processes share each batch") for name in launch.OTHERS),
        ("--mixed_precision fp8", "mixed_precision: the precision is a parameter"),
        ("--mixed_precision bf16", "mixed_precision: the precision is a parameter"),
        ("--dynamo_backend inductor", "--dynamo_backend: torch.compile is a parameter"),
        ("--zero_stage 3", "--zero_stage has no effect here: it is one of DeepSpeed"),
        ("--fsdp_version 2", "--fsdp_version has no effect here"),
        ("--gradient_accumulation_steps 4", "--gradient_accumulation_steps has no effect here"),
        ("--parallelism_config_tp_size 2", "--parallelism_config_tp_size has no effect here"),
        ("--fp8_format E4M3", "--fp8_format has no effect here"),
    ],
)
def test_launch_options_that_cannot_be_meant_are_refused_before_anything_runs(params, options, message):
    out = params(**{"1_search_categories": SEARCH})
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    with pytest.raises(experiments.UsageError, match=f"^--launch .*{message}"):
        run("tiny", "--out", out, "--launch", options)
    assert not out.exists()
    assert environment == os.environ


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"distributed_type": "FSDP"}, r"\(FSDP\) is not supported"),
        ({"distributed_type": "DEEPSPEED"}, r"\(DEEPSPEED\) is not supported"),
        ({"distributed_type": "MEGATRON_LM"}, r"\(MEGATRON_LM\) is not supported"),
        ({"distributed_type": "MULTI_GPU", "mixed_precision": "fp8"}, "the precision is a parameter"),
        ({"distributed_type": "MULTI_GPU", "num_machines": 2}, "given as options, not in a file"),
        ({"distributed_type": "MULTI_GPU", "no_such_key": 2}, "is no file of `accelerate config`"),
    ],
)
def test_a_file_of_accelerate_s_settings_that_asks_for_more_is_refused(params, tmp_path, monkeypatch, config, message):
    out, file = params(**{"1_search_categories": SEARCH}), tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"num_processes": 2, **config}))
    with pytest.raises(experiments.UsageError, match=message):
        run("tiny", "--out", out, "--launch", f"--config_file {file}")
    assert not out.exists()
    if "FSDP" in message:  # the user's own file, which accelerate reads unasked
        monkeypatch.setattr(config_args, "default_config_file", str(file))
        with pytest.raises(experiments.UsageError, match=message):
            launch.check("--num_processes 2")
        assert launch.check("--multi_gpu --num_processes 2")  # it goes before the file


def test_the_number_of_processes_may_be_in_a_file_of_accelerate_s_settings(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"distributed_type": "MULTI_GPU", "num_processes": 3, "mixed_precision": "no"}))
    assert launch.check(f"--config_file {file}").num_processes == 3


@pytest.mark.parametrize("stage", catalogue.stages())
@pytest.mark.parametrize("text", ["1" + "0" * 25, "-1" + "0" * 25, "1" + "0" * 400, "1" + "0" * 5000, "1e999"])
def test_no_parameter_takes_a_number_that_no_machine_could_hold(params, stage, text, tmp_path):
    params(**{stage: {}})
    kinds = catalogue.stages()[stage].parameters.kinds()
    for name, kind in kinds.items():
        given = {list: f"[{text}]", dict: f"{{depth: {text}}}"}
        for plain in values.arms(kind) & {int, float, list, dict}:
            why = "out of range|not allowed|too large|needs samples: live|needs a pixmix_data"
            with pytest.raises(parameters.ParameterError, match=f"{name}: .* ({why})"):
                parameter_files.checked("tiny", [stage], [(name, given.get(plain, text))], tmp_path)


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_folder_that_cannot_be_written_is_refused(params, tmp_path, below):
    params(**{"1_search_categories": SEARCH})
    (tmp_path / "file").touch()
    with pytest.raises(experiments.UsageError, match=r"nothing can be written here .*; give another --out"):
        run("tiny", "--out", tmp_path / "file" / below)


def test_the_command_line_reports_mistakes_without_a_traceback():
    found = subprocess.run([sys.executable, "-m", "ofdb_core", "quickstrt"], capture_output=True, text=True)
    assert found.returncode == 2
    assert "did you mean quickstart" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_value_that_is_refused_is_told_with_the_file_that_sets_it(params, tmp_path):
    params(**{"4_pretrain": {"mixup": "much", "cutmix": 1.0}})
    with pytest.raises(parameters.ParameterError, match=r"^4_pretrain: mixup: 'much' is not .* \(params/tiny\.yaml\)$"):
        parameter_files.checked("tiny", ["4_pretrain"], [], tmp_path)
    with pytest.raises(parameters.ParameterError, match=r"^4_pretrain: mixup: 'more' is not allowed[^()]*$"):
        parameter_files.checked("tiny", ["4_pretrain"], [("mixup", "more")], tmp_path)
