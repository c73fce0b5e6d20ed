"""The project's environment: timm and torchvision can be imported by themselves, whatever build of torch is beside."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from ofdb_core.data import torchvision_fix


def test_torch_knows_what_it_calls_by_an_entry_point():
    (found,) = entry_points(group="torch.backends", name="torchvision_fix")
    assert found.load() is torchvision_fix.define_missing_operators


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "timm",
        "torchvision",
        "torchvision, torch, timm",
        "torchvision.transforms.v2",
        "accelerate",
        "torch, timm, torchvision",
        "ofdb_core.data.torchvision_fix, timm",
    ],
)
def test_a_script_imports_it_alone(tmp_path, module):
    subprocess.run([sys.executable, "-P", "-c", f"import {module}"], check=True, cwd=tmp_path)
