"""python -m benchmarks.strip: the picture of README.md, an image of each family, and the lines below that name them."""

from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.families import registry
from ofdb_core.show import gallery

FILE = provenance.PROJECT / "docs" / "families.webp"
SIDE, GAP, ACROSS = 150, 8, 8  # pixels: of an image, and between two; images in a row
SHOWN = {  # family -> the category that is shown, where the first one shows little
    "3d": 7,
    "colour": 2,
    "dead-leaves": 3,
    "fractaldb": 6,
    "moire": 1,
    "mv-fractaldb": 1,
    "pairs": 5,
    "pc-fractaldb": 3,
    "rcdb": 5,
    "segrcdb": 5,
    "visualatom": 9,
}


def names() -> str:
    """The line below the picture in README.md: the families' titles, row by row."""
    titles = [family.title for family in registry.families().values()]
    rows = [", ".join(titles[start : start + ACROSS]) for start in range(0, len(titles), ACROSS)]
    return f"From left to right: {'; '.join(rows)}."


def draw() -> Image.Image:
    """An image of each family by its published values, brightened as in the gallery; between them it is transparent."""
    families, each = registry.families().values(), SIDE + GAP
    strip = Image.new("RGBA", (ACROSS * each - GAP, -(-len(families) // ACROSS) * each - GAP))
    for i, family in enumerate(families):
        tile = gallery.tile(family.picture(family.example(), SHOWN.get(family.name, 0)), SIDE)
        strip.paste(Image.fromarray(tile), (i % ACROSS * each, i // ACROSS * each))
    return strip


if __name__ == "__main__":
    draw().save(FILE, "WEBP", quality=70, method=6)
    print(names())
