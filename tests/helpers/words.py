"""The words of a command that runs an experiment, as the command line reads them."""

from types import SimpleNamespace

from ofdb_core.run import commands


def parsed(words):
    """experiment, names, overrides (pairs), out and options of such a command."""
    name, *rest = words if words and not words[0].startswith("-") else [commands.DEFAULT, *words]
    read = commands.experiment.make_context(name, rest).params
    overrides = [list(pair) for pair in read["overrides"]]
    return SimpleNamespace(
        experiment=name, names=list(read["names"]), overrides=overrides, out=read["out"], options=read["launch"]
    )
