"""Live views: 3D models as samples, rendered while training from any viewpoint, with no stored image at all.

This is what models are shared for: every view is a new picture of the same category. The viewpoint is that of the first
stored view, moved by a random angle about each of the camera's axes and then by a small turn; the size of a point and
the share of the points vary too. All of it is drawn from the generator of the sample and step.
"""

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ofdb_core import camera, samples

WHITE = camera.PALETTE[1, 0]


class Models:
    """A set of samples (see `samples`) whose pictures are views of the models <root>/<class>/<file>.ply.

    recipe: its `live_` parameters say how they are drawn (see `recipe.Pretrain`); cache_bytes: how much of the models,
    12 bytes a point, each process may keep.
    """

    def __init__(self, root, recipe, *, cache_bytes=samples.CACHE_BYTES):
        self._paths, labels, self.classes = samples.class_files(root, "model", [".ply"])
        self.labels = np.asarray(labels, np.int64)
        self._recipe, self._clouds = recipe, samples.Cache(camera.load, cache_bytes)

    def __len__(self):
        return len(self.labels)

    def picture(self, i, rng=None):
        """A view of model i as a PIL image of one channel ("L"), 0 and 255.

        Without rng: the first stored view without its jitter, of all points, each as small as is allowed.
        """
        how, points = self._recipe, self._clouds[self._paths[i]]
        angles, turn, side = np.zeros(how.live_axes), np.zeros(3), how.live_point_size[0]
        if rng is not None:
            angles = rng.uniform(-how.live_range / 2, how.live_range / 2, how.live_axes)
            turn = rng.uniform(-how.live_jitter, how.live_jitter, 3)
            side = rng.integers(how.live_point_size[0], how.live_point_size[1] + 1)
            share = rng.uniform(*how.live_points)
            points = points.T.compress(rng.random(len(points)) < share, axis=1).T
        rotation = camera.stored((0,) * how.live_axes, angles) @ Rotation.from_euler("XYZ", turn, True).as_matrix()
        return Image.fromarray(camera.render(points, rotation, size=how.live_size, point_size=side) * WHITE)
