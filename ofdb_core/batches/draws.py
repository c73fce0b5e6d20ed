import numpy as np


def erased(recipe, key):
    r = np.random.default_rng(key)
    s = recipe.input_size
    if r.random() >= recipe.erasing:
        return np.zeros(4, np.int32)
    return np.array([s // 4, s // 4, s // 3, s // 3], np.int32)
