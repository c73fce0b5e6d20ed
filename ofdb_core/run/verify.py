"""`verify DIR`: whether what a run or a data set wrote is still there, byte for byte."""

from pathlib import Path

from ofdb_core.base import record
from ofdb_core.base.folder import Folder
from ofdb_core.base.own import Own
from ofdb_core.run.experiments import UsageError


def check(root: str | Path) -> int:
    """Verify every data folder and every run's figures at or below root; print the problems, return their number."""
    root = Path(root)
    verdicts: dict[Path, str | list[str]] = {}  # a sentence if all is right, or the problems
    for results in Folder.below(root):
        verdicts[results.root] = (
            results.verify(anew=True) or f"{len(results.manifest()['files'])} files, all as written"
        )
    for path in sorted(root.rglob(record.FILE)):
        entries = record.read(path.parent).values()
        bad = [f"{name}: missing or altered" for one in entries for name in record.altered_figures(path.parent, one)]
        listed = Own(path.parent)
        bad += [sentence for name in listed.altered() if (sentence := f"{name}: missing or altered") not in bad]
        verdicts[path] = bad or f"{len(listed.listed())} other files, all as written"
    if not verdicts:
        raise UsageError(f"{root}: no manifest here or below; give a run's folder or a data set's")
    for place, problems in verdicts.items():
        print(f"{place}: {problems}" if isinstance(problems, str) else "\n  ".join([f"{place}:", *problems]))
    return sum(len(problems) for problems in verdicts.values() if not isinstance(problems, str))
