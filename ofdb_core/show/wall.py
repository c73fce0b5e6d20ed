"""Pictures for a wall and films for a talk, of one system: the ending of a file's name chooses the form.

.png: how densely the orbit fills the plane, on a logarithmic scale; .svg: the maps; .gif and .webp: a film, in which a
coefficient turns back and forth, or a system of space turns; .ply and .obj: the points of a system of space.
Equal arguments give equal bytes.
"""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.own import Own
from ofdb_core.data import ply
from ofdb_core.formulas import density, ifs, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS

SUPERSAMPLE = 2  # cells along a pixel's side: the logarithm is taken of each, then the mean
A_PIXEL = 16  # visits for each pixel of the square
MARGIN = 0.04  # of the longer side, around the frame
THINNEST = 0.25  # shorter over longer side of a picture
TILT = np.radians(20)  # from above, of a system of space
MILLISECONDS = 60  # of a frame
BRIGHTEST = 0.998  # quantile of the lit pixels that is the last colour; their median is the middle one
GAMMA = (0.7, 2.2)
LARGEST = 16_384  # pixels of a side; the grid of a picture then takes 4 GB
FRAMES = 600  # of a film, at most
View = tuple[IFS, np.ndarray]  # a system, and the plane (2, d) in which it is seen
FORMS = (".png", ".svg", ".gif", ".webp", ".ply", ".obj")


def system_of(word: str, name: str = "") -> IFS:
    """The system that a word names: 7, a published category; 3d/7, one of space; a file or folder, and a name in it."""
    published = re.fullmatch(r"(3d/)?([0-9]{1,3})", word)
    if published and not Path(word).exists():
        return search.published(3 if published[1] else 2, int(published[2]))
    systems, every = dict(ifs.load_folder(word)), ifs.names(word)
    found = [number for number in systems if not name or every[number] == name]
    if len(found) != 1:
        known = ", ".join([*every.values()][:5]) + (", ..." if len(every) > 5 else "")
        raise ValueError(f"name: {name!r} chooses {len(found)} systems of {word}, not one; it has {known}")
    return systems[found[0]]


def view(system: IFS, angle: float = 0.5) -> View:
    """A system as it lies in the plane, or one of space from an angle about its y axis, in radians."""
    if system.d == 2:
        return system, np.eye(2)
    (c, s), (ct, st) = (np.cos(angle), np.sin(angle)), (np.cos(TILT), np.sin(TILT))
    return system, np.array([[c, 0, s], [s * st, ct, -c * st]])


def views(system: IFS, frames: int, *, turn: str = "a", by: float = 0.2) -> list[View]:
    """The frames of a film: a system of space turns; else coefficient `turn` of every map is times 1 - by to 1 + by."""
    turns = 2 * np.pi * np.arange(frames) / frames
    if system.d == 3:
        return [view(system, angle) for angle in turns]
    if turn not in [*"abcdef"]:
        raise ValueError(f"turn: {turn!r} is not allowed; it is one of the coefficients a to f")
    column = "abcdef".index(turn)
    if not (ifs.table(system)[:, column] * by).any():
        raise ValueError(f"turn: {turn} is 0 in every map, or by is 0, so the film would stand still; take another")
    factors = np.ones((frames, 6))
    factors[:, column] += by * np.sin(turns)
    return [view(system.weighted(row)) for row in factors]


class Canvas:
    """A grid of pixels around what the views show, in its proportions; the longer side has `size` pixels."""

    def __init__(self, shown: list[View], size: int) -> None:
        values.whole(16, LARGEST, size=size)
        corners = [density.corners(*view) for view in shown]
        if any(found is None for found in corners):
            hint = "; in a film, give a smaller by" if len(shown) > 1 else ""
            raise ValueError(f"system: its orbit does not stay finite, or is one point: there is nothing to draw{hint}")
        frames = np.array(corners)
        self.low, self.high = frames[:, 0].min(axis=0), frames[:, 1].max(axis=0)
        span = self.high - self.low
        self.scale = size * (1 - 2 * MARGIN) / span.max()
        sides = np.maximum(np.minimum(np.ceil(span * self.scale + 2 * MARGIN * size), size), size * THINNEST)
        self.width, self.height = (int(side) for side in sides)

    def to_cells(self, plane: np.ndarray) -> np.ndarray:
        """(2, d + 1): the affine map from a point to the column and row of its cell."""
        scale = self.scale * SUPERSAMPLE * np.array([1.0, -1.0])
        middle = np.array([self.width, self.height]) * SUPERSAMPLE / 2
        return np.column_stack([plane * scale[:, None], middle - scale * (self.low + self.high) / 2])

    def light(self, view: View, points: int, seed: int) -> np.ndarray:
        """(height, width) float32: the mean logarithm of the visits of a pixel's cells."""
        (system, plane), shape = view, (self.height * SUPERSAMPLE, self.width * SUPERSAMPLE)
        hits = density.visits(system, self.to_cells(plane), shape, steps=points, seed=seed)
        rows = hits.reshape(self.height, SUPERSAMPLE, self.width, SUPERSAMPLE)
        return np.stack([np.log1p(row, dtype=np.float32).mean(axis=(0, 2)) for row in rows])


def tones(light: np.ndarray, like: np.ndarray) -> np.ndarray:
    """(H, W) uint8: light as steps of a colour map, by the exposure that suits the light of a picture `like` it."""
    lit = like[like > 0]
    top = float(np.quantile(lit, BRIGHTEST)) if len(lit) else 1.0
    middle = min(float(np.median(lit)) / top, 0.99) if len(lit) else 0.5
    gamma = np.clip(np.log(0.5) / np.log(middle), *GAMMA)
    return np.round(255 * np.minimum(light / top, 1) ** np.float32(gamma)).astype(np.uint8)


def palette(colours: str) -> np.ndarray:
    """(256, 3) uint8 of a colour map of matplotlib, by its name: magma, viridis, gray, Greys (on white), ..."""
    import matplotlib

    if colours not in matplotlib.colormaps:
        hint = values.nearest(colours, matplotlib.colormaps)
        raise ValueError(f"colours: {colours!r} is no colour map of matplotlib{hint}; magma, viridis and gray are some")
    return np.round(255 * matplotlib.colormaps[colours](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)


def maps(system: IFS, size: int = 1000) -> str:
    """An SVG of a system of the plane: its orbit's frame, dashed, and the parallelogram to which each map carries it.

    The thick edge was the lower one. Behind lies the orbit.
    """
    if system.d != 2:
        raise ValueError("system: 3 dimensions given; a drawing of maps shows the plane")
    canvas = Canvas([view(system)], size)
    (left, low), (right, high) = canvas.low, canvas.high
    frame = np.array([[left, low], [right, low], [right, high], [left, high]])
    shapes = [frame, *(frame @ A.T + t for A, t in zip(system.A, system.t, strict=True))]
    every = np.concatenate(shapes)
    start, span = every.min(axis=0), np.ptp(every, axis=0)
    scale = size / span.max()

    def to_svg(points: np.ndarray) -> np.ndarray:
        return np.round((points - start) * scale * [1, -1] + [20, 20 + span[1] * scale], 2)

    def polygon(points: np.ndarray, style: str) -> str:
        return f'<polygon points="{" ".join(f"{x:g},{y:g}" for x, y in to_svg(points))}" {style}/>'

    behind = base64.b64encode(encode(system, ".png", size=size, colours="Greys")).decode()
    wide, tall = np.round(np.array([canvas.width, canvas.height]) * scale / canvas.scale, 2)
    x, y = to_svg((canvas.low + canvas.high) / 2) - [wide / 2, tall / 2]
    width, height = np.ceil(span * scale + 40).astype(int)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<image x="{x:g}" y="{y:g}" width="{wide:g}" height="{tall:g}" opacity="0.5" '
        f'href="data:image/png;base64,{behind}"/>',
        polygon(frame, 'fill="none" stroke="#444" stroke-width="2" stroke-dasharray="10 8"'),
    ]
    labels = []
    for i, shape in enumerate(shapes[1:]):
        colour = f"hsl({360 * i / len(system):g} 70% 42%)"
        lines.append(polygon(shape, f'fill="{colour}" fill-opacity="0.16" stroke="{colour}" stroke-width="2"'))
        lines.append(polygon(shape[:2], f'stroke="{colour}" stroke-width="6" stroke-linecap="round"'))
        x, y = to_svg(shape.mean(axis=0))
        label = f'{i}<tspan font-size="18" dx="8">p {system.p[i]:.3g}</tspan>'
        style = (
            f'font-size="34" text-anchor="middle" fill="{colour}" stroke="white" stroke-width="5" paint-order="stroke"'
        )
        labels.append(f'<text x="{x:g}" y="{y:g}" {style}>{label}</text>')
    return "\n".join([*lines, *labels, "</svg>\n"])


def encode(
    system: IFS,
    form: str,
    *,
    size: int | None = None,
    colours: str = "magma",
    points: int | None = None,
    seed: int = 0,
    turn: str = "a",
    by: float = 0.2,
    frames: int = 48,
) -> bytes:
    """The bytes of a file of a form: see `FORMS`.

    size: pixels of the longer side (null: 4096, in a film 480); points: steps of each picture's game; colours: see
    `palette`; turn, by: see `views`.
    """
    from PIL import Image

    if form not in FORMS:
        raise ValueError(f"{form!r} is no form of a picture; the file's name ends in one of {', '.join(FORMS)}")
    if form == ".svg":
        return maps(system, size or 1000).encode()
    if form in (".ply", ".obj"):
        cloud = point_cloud.model(system, streams.choices(points or 100_000, seed, 0), weight=1.0)
        return ply.encode(cloud) if form == ".ply" else "".join(f"v {x} {y} {z}\n" for x, y, z in cloud).encode()
    values.whole(2, FRAMES, frames=frames)
    values.whole(0, values.SEEDS, seed=seed)
    shown = [view(system)] if form == ".png" else views(system, frames, turn=turn, by=by)
    size = size or (4096 if form == ".png" else 480)
    canvas, steps = Canvas(shown, size), points or A_PIXEL * size**2
    values.whole(1, points=steps)
    colour_map, like, images = palette(colours), None, list[Image.Image]()
    for one in shown:
        light = canvas.light(one, steps, seed)
        like = light if like is None else like
        image = Image.fromarray(tones(light, like))
        image.putpalette(colour_map.tobytes())
        images.append(image if form != ".webp" else image.convert("RGB"))
    data = io.BytesIO()
    how: dict[str, Any] = {"save_all": True, "append_images": images[1:], "duration": MILLISECONDS, "loop": 0}
    images[0].save(data, form[1:], **({} if form == ".png" else how), **({"quality": 85} if form == ".webp" else {}))
    return data.getvalue()


def save(system: IFS, path: str | Path, **how: Any) -> Path:
    """Write a picture or film (see `encode`), unless there is a file that the lab did not write; return its path."""
    path = Path(path)
    return Own(path.parent).write(path.name, encode(system, path.suffix.lower(), **how))
