"""The modules of JavaScript that pages and widgets hold: one text each, of several files."""

import collections
import re

import pytest

from ofdb_core.show import pages

DEFINED = re.compile(r"^(?:export )?(?:const|let|class|(?:async )?function\*?) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("name", ["explorer.js", "gallery.js", "turntable.js"])
def test_no_two_files_of_a_module_define_the_same_name(name):
    text = pages.module(name)
    defined = collections.Counter(DEFINED.findall(text))
    assert len(defined) > 10
    assert [name for name, count in defined.items() if count > 1] == []
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert len(re.findall(r"^export default", text, re.MULTILINE)) == 1
