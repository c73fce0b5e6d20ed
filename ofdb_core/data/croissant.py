"""Croissant: a description of a data set, its images and its labels, for machines (mlcommons.org/croissant).

<folder>.croissant.json lies beside the folder and its manifest, and is made from the manifest alone.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ofdb_core.base import files, project
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import LICENSE, MANIFEST
from ofdb_core.base.own import Own

CROISSANT = "croissant.json"  # after the folder's name and a point
CREATOR = "The developers of OFDB Lab"
CLASS = r".*[/\\]([^/\\]+)[/\\][^/\\]+$"  # the name of a file's folder, in its path
TOP = r"(?:.*[/\\])?([^/\\]+)[/\\][^/\\]+$"  # the same where the folder may be the first
TERMS = (
    *("citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
    *("replace", "samplingRate", "separator", "source", "subField", "transform"),
)
CONTEXT = {
    **{"@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/"},
    **{"cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/"},
    **{"dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo"},
    **{term: f"cr:{term}" for term in TERMS},
    **{term: {"@id": f"cr:{term}", "@type": "@json"} for term in ("data", "examples")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
}


def text(root: str | Path, title: str) -> str:
    """The description of a complete folder <root>/<class>/<file>.png; title: of its family.

    Its records have an image and a label, the name of the class. (Models have no description: readers of Croissant
    know no PLY files.) Before a set is published it has no web address: `url` is the name of the folder beside.
    """
    facts, path = Folder(root).manifest(), Folder(root).beside(MANIFEST)
    name = Path(root).resolve().name
    classes = {file.partition("/")[0] for file in facts["files"]}
    made_with = json.dumps(facts["parameters"])
    of_manifest = {"contentUrl": path.name, "encodingFormat": "application/json", "sha256": files.sha256(path)}
    manifest = _node("FileObject", "manifest", description="the SHA-256 of every file", **of_manifest)
    images = _node("FileSet", "files", encodingFormat="image/png", includes=f"{name}/*/*.png")
    picture = _field("image", "sc:ImageObject", "content")
    label = _field("label", "sc:Text", "fullpath", transform={"regex": CLASS})
    whole = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": facts.get("name", name).replace("/", "-"),
        "description": f"{title}: {len(facts['files'])} images of {len(classes)} categories, made from formulas by "
        f"OFDB Lab {project.VERSION} with {made_with}",
        "license": facts.get("license", LICENSE),
        "url": f"{name}/",
        "version": project.VERSION,
        **({"datePublished": facts["date"]} if "date" in facts else {}),
        "creator": {"@type": "sc:Organization", "name": CREATOR},
        "distribution": [manifest, images],
        "recordSet": [_node("RecordSet", "samples", field=[picture, label])],
    }
    return json.dumps(whole, indent=1) + "\n"


def _node(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"@type": f"cr:{kind}", "@id": name, "name": name, **more}


def _field(name: str, data_type: str, taken: str, **source: Any) -> dict[str, Any]:
    """A field of every record; taken: the property of the file that it holds."""
    source = {"fileSet": {"@id": "files"}, "extract": {"fileProperty": taken}, **source}
    return _node("Field", f"samples/{name}", dataType=data_type, source=source)


def write(root: str | Path, title: str) -> None:
    """Write the description beside a complete folder, unless it is there already."""
    path, wanted = Folder(root).beside(CROISSANT), text(root, title)
    if not path.is_file() or path.read_text(encoding="utf-8") != wanted:
        Own(path.parent).write(path.name, wanted)


def of_shards(paths: Sequence[Path], endings: Sequence[str], *, title: str, about: str, license: str | None) -> str:
    """The description of tar or Parquet files that lie beside it; endings: of the images in them."""
    tar = paths[0].suffix == ".tar"
    kind = "application/x-tar" if tar else "application/x-parquet"
    each = [
        _node("FileObject", path.name, contentUrl=path.name, encodingFormat=kind, sha256=files.sha256(path))
        for path in paths
    ]
    inside = [{"@id": path.name} for path in paths]
    if tar:
        held = _node("FileSet", "files", containedIn=inside, encodingFormat=f"image/{endings[0]}")
        held["includes"] = [f"*/*.{ending}" for ending in endings]
        picture = _field("image", "sc:ImageObject", "content")
        label = _field("label", "sc:Text", "fullpath", transform={"regex": TOP})
    else:
        held = _node("FileSet", "files", encodingFormat=kind, includes="*.parquet")
        picture = _field("image", "sc:ImageObject", "", extract={"column": "image"}, transform={"jsonPath": "bytes"})
        label = _field("label", "sc:Integer", "", extract={"column": "label"})
    whole = {
        **{"@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0"},
        **{"name": title.replace("/", "-"), "description": about, "url": "./", "version": project.VERSION},
        **({"license": license} if license else {}),
        "distribution": [*each, held],
        "recordSet": [_node("RecordSet", "samples", field=[picture, label])],
    }
    return json.dumps(whole, indent=1) + "\n"
