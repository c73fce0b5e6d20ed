"""What `fill_once` does with a folder; tests/stages/test_pretrain.py and test_finetune.py have it done."""

import pytest

from ofdb_core.training import processes


@pytest.mark.parametrize(
    ("made_by", "before", "keeps", "todo"),
    [
        ("today", "", False, "keep"),
        ("today", "", True, "keep"),
        ("older", "", True, "keep outdated"),
        ("older", "", False, "make"),
        (None, "pretrain.1", True, "exchange"),
        (None, "pretrain.1", False, "make"),
        (None, "", True, "make"),
        (None, "", False, "make"),
    ],
)
def test_a_finished_training_is_kept_or_brought_back_until_it_is_to_be_made_anew(made_by, before, keeps, todo):
    assert processes.decision(made_by, "today", before, keeps=keeps) == todo
