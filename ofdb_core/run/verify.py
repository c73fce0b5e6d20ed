"""`verify DIR`: whether what a run or a data set wrote is still there, byte for byte."""

from pathlib import Path

from ofdb_core.base import own, record
from ofdb_core.base.folder import Folder
from ofdb_core.run.experiments import UsageError

NO_LIST = f"{own.LIST}: missing, or an early version wrote none; without it notebooks, pages and record stay unproven"


def check(root: str | Path) -> int:
    """Verify all folders of data and of runs at or below root; print the problems, return their number."""
    root = Path(root)
    verdicts: dict[Path, str | list[str]] = {}  # a sentence if all is right, or the problems
    for results in Folder.below(root):
        verdicts[results.root] = (
            results.verify(anew=True) or f"{len(results.manifest()['files'])} files, all as written"
        )
    for run in sorted({path.parent for name in (record.FILE, own.LIST) for path in root.rglob(name)}):
        verdicts[run / record.FILE] = _problems(run) or f"{len(own.Own(run).listed())} other files, all as written"
    if not verdicts:
        raise UsageError(f"{root}: no manifest here or below; give a run's folder or a data set's")
    for folder, problems in verdicts.items():
        print(f"{folder}: {problems}" if isinstance(problems, str) else "\n  ".join([f"{folder}:", *problems]))
    return sum(len(problems) for problems in verdicts.values() if not isinstance(problems, str))


def _problems(run: Path) -> list[str]:
    """A sentence for each folder that differs from the run's record, and for each other file that is not its own."""
    found, listed, written = [], own.Own(run), dict[str, str]()
    for entry in record.read(run).values():
        found += [f"{name}: missing or altered" for name in record.altered_figures(run, entry)]
        written |= entry["writes"]
    for name, digest in written.items():
        results = Folder(run / name)
        if not results.is_complete():
            found.append(f"{name}: missing or unfinished")
        elif results.digest() != digest:
            found.append(f"{name}: another than the record says")
    found += [f"{name}: missing or altered" for name in listed.altered()]
    return [*dict.fromkeys(found)] + ([] if listed.list.is_file() else [NO_LIST])
