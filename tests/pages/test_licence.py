"""docs/licence.md: what it says of licences is what files carry, and CITATION.cff has its citations."""

import re

import pytest
import yaml

from ofdb_core.base import manifests, provenance

TEXT = (provenance.PROJECT / "docs" / "licence.md").read_text(encoding="utf-8")
CITED = yaml.safe_load((provenance.PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
WORKS = [CITED["preferred-citation"], *CITED["references"]]
ENTRIES = re.findall(r"```bibtex\n(.*?)```", TEXT, re.DOTALL)


def test_the_licence_is_that_of_the_project_and_of_what_is_made_from_formulas():
    assert (provenance.PROJECT / "LICENSE").read_text(encoding="utf-8").startswith(f"{manifests.LICENSE} License")
    assert manifests.LICENSE == CITED["license"] == "MIT"


@pytest.mark.parametrize(("entry", "work"), list(zip(ENTRIES, WORKS, strict=True)))
def test_a_citation_is_the_same_in_both(entry, work):
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},?$", entry, re.MULTILINE))
    assert (fields["title"], fields["booktitle"]) == (work["title"], work["collection-title"])
    assert int(fields["year"]) == work["year"]
    assert len(fields["author"].split(" and ")) == len(work["authors"])
    assert fields.get("pages") == (f"{work['start']}-{work['end']}" if "start" in work else None)
