"""python -m benchmarks.strip: the picture of README.md, an image of each family, and the line below that names them."""

from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.families import registry
from ofdb_core.show import gallery

FILE = provenance.PROJECT / "docs" / "families.webp"
SIDE, GAP = 150, 8  # pixels: of an image, and between two
ROWS = (  # family -> the category that is shown
    {"2d": 0, "fractaldb": 6, "1p-frac": 0, "colour": 2, "3d": 7, "mv-fractaldb": 1, "pairs": 5, "pc-fractaldb": 3},
    {"visualatom": 9, "rcdb": 5, "segrcdb": 5, "dead-leaves": 3, "moire": 1, "perlin": 0, "noise": 0, "scattered": 0},
)


def names() -> str:
    """The line below the picture in README.md."""
    known = registry.families()
    above, below = (", ".join(known[name].title for name in row) for row in ROWS)
    return f"Above, from left to right: {above}. Below: {below}."


def draw() -> Image.Image:
    """An image of each family by its published values, brightened as in the gallery; between them it is transparent."""
    known, each = registry.families(), SIDE + GAP
    strip = Image.new("RGBA", (len(ROWS[0]) * each - GAP, len(ROWS) * each - GAP))
    for y, row in enumerate(ROWS):
        for x, (name, category) in enumerate(row.items()):
            tile = gallery.tile(known[name].picture(known[name].example(), category), SIDE)
            strip.paste(Image.fromarray(tile), (x * each, y * each))
    return strip


if __name__ == "__main__":
    draw().save(FILE, "WEBP", quality=70, method=6)
    print(names())
