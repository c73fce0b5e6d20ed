"""Where the weights of a checkpoint lie: a file, a folder, or a repository of a model hub.

The module imports little, so that a wrong path is refused at once.
"""

from pathlib import Path

FOLDER, HUB = "local-dir:", "hf-hub:"  # timm's words before a folder, and before a repository
OURS = "ofdb:"  # before a checkpoint that comes with the package
SHIPPED = Path(__file__).parent / "shipped"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
PROCESSOR = "preprocessor_config.json"  # of transformers: how images are seen
NAMES = (WEIGHTS, "pytorch_model.bin", "pytorch_model.pth", "model.pth")  # of weights in a folder; others if alone
ENDINGS = (".safetensors", ".pth", ".tar", ".pt", ".bin")


def is_place(path: str) -> bool:
    """Whether a path is a repository of a hub, a checkpoint of the package, or an existing file or folder."""
    if path.startswith(OURS):
        return path in shipped()
    return path.startswith(HUB) or Path(path.removeprefix(FOLDER)).exists()


def shipped() -> list[str]:
    """The checkpoints that come with the package, as ofdb:small."""
    return sorted(f"{OURS}{folder.name}" for folder in SHIPPED.iterdir() if (folder / WEIGHTS).is_file())


def file_of(path: str | Path) -> Path:
    """The file of weights of a path: the path itself, or the one in a folder or in a repository, which is fetched.

    A ValueError if there is none, or several could be meant.
    """
    text = str(path)
    if text.startswith(OURS):
        return SHIPPED / text.removeprefix(OURS) / WEIGHTS
    folder = _fetched(text.removeprefix(HUB)) if text.startswith(HUB) else Path(text.removeprefix(FOLDER))
    if not folder.is_dir():
        return folder
    if named := [folder / name for name in NAMES if (folder / name).is_file()]:
        return named[0]
    found = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS and file.is_file())
    if len(found) != 1:
        within = " or ".join(str(file.parent) for file in sorted(folder.glob(f"*/{WEIGHTS}")))
        none = f"no {WEIGHTS} or other file" + (f"; {within} has" if within else "")
        several = f"{', '.join(file.name for file in found)}; name the file"
        raise ValueError(f"checkpoint: the folder {path} has {several if found else none}")
    return found[0]


def _fetched(name: str) -> Path:
    """The folder of a repository's files, from the cache or the network; name: OWNER/NAME or OWNER/NAME@REVISION."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError

    repository, _, revision = name.partition("@")
    wanted = [CONFIG, PROCESSOR, *NAMES]
    try:
        return Path(huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except (OSError, HTTPError, HFValidationError) as error:
        problem = f"{HUB}{name}: cannot be fetched here ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise ValueError(f"{problem}; mind its name, connect to a network, or give a file or folder") from error
