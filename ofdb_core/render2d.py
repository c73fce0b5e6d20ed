"""2D-OFDB: one image for each category (Nakamura et al., ICCV 2023, section 3.1).

An image is the orbit of the category's weighted system, drawn dot by dot with random 3 x 3 patches. The random numbers
that choose the maps are the same for every image, as in the original; the patches are the category's own.
"""

import functools

from ofdb_core import bounds, chaos, raster, streams


@functools.lru_cache(maxsize=2)
def _choices(points, seed):
    return streams.choices(points, seed)


def indices(
    system,
    *,
    size=362,
    points=200_000,
    weight=0.2,
    draw="patch_gray",
    seed=0,
    category=None,
    choice_seed=streams.CHOICE_SEED,
):
    """One image as palette indices (size, size) uint8; the defaults are those of the released 2D-OFDB.

    weight: see `IFS.weighted`. seed: of the patches; with `category` the stream belongs to (seed, category), without it
    the patches are those of Python's `random.seed(seed)`, as in the original. choice_seed: of the map choices.
    """
    if system.d != 2:
        raise ValueError(f"system: {system.d} dimensions given; an image of 2D-OFDB has 2")
    bounds.whole(2, points=points)
    bounds.whole(high=bounds.SEEDS, seed=seed, choice_seed=choice_seed, category=category or 0)
    orbit = chaos.orbit(system.weighted(weight), _choices(points, choice_seed))
    masks = streams.patches(points, seed, category) if draw.startswith("patch") else None
    return raster.draw_indices(orbit, draw, size, masks)


def rgb(system, *, draw="patch_gray", **how):
    """One image (size, size, 3) uint8, pixel for pixel the original's; arguments as for `indices`."""
    return raster.palette(draw)[indices(system, draw=draw, **how)]


def name(category):
    """The original's file name: weight row 0, instance 0, not flipped."""
    return f"{category:05d}/{category:05d}_00_count_0_flip0.png"


def files(categories, *, seed, draw, **how):
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs."""

    def make(category, system):
        return raster.png(indices(system, seed=seed, category=category, draw=draw, **how), raster.palette(draw))

    return ((name(category), functools.partial(make, category, system)) for category, system in categories)
