"""Plain-Python twins of the kernels, written from the description of the original, one number at a time."""

import math
import random

import numpy as np


def orbit(rows, thresholds, u, d):
    """rows: the coefficients of each map (A row by row, then t); the points of the chaos game as tuples."""
    at = (0.0,) * d
    points = [at]
    for number in u[:-1]:
        for row, threshold in zip(rows, thresholds, strict=True):
            if number <= threshold:
                moved = []
                for r in range(d):
                    total = at[0] * row[r * d]
                    for c in range(1, d):
                        total = total + at[c] * row[r * d + c]
                    moved.append(total + row[d * d + r])
                at = tuple(moved)
                break
        points.append(at)
    return points


def pixels(points, size, pad):
    """Integer pixel coordinates of 2D points; NaN points go, axis by axis, with the 100 before the first of them."""
    for axis in range(2):
        bad = [i for i, point in enumerate(points) if math.isnan(point[axis])]
        if bad:
            gone = set(bad) | set(range(max(0, bad[0] - 100), bad[0]))
            points = [point for i, point in enumerate(points) if i not in gone]
    columns = []
    for axis in range(2):
        values = [point[axis] for point in points]
        shift = min([*values, 0.0])
        values = [value - shift for value in values]
        low, high = (min(values), max(values)) if values and not any(map(math.isnan, values)) else (math.nan, math.nan)
        columns.append([_cast(value, high - low, size, pad) for value in values])
    return list(zip(*columns, strict=True))


def _cast(value, span, size, pad):
    with np.errstate(all="ignore"):
        scaled = np.float64(value) / np.float64(span) * float(size - 2 * pad) + float(pad)
    return int(scaled) if math.isfinite(scaled) else 0


def draw(coordinates, size, masks=None, colours=1):
    """The image of dots, or of 3 x 3 masks: 0, or 1 + the dot's number modulo colours; first row on top."""
    image = [[0] * size for _ in range(size)]
    for i, (x, y) in enumerate(coordinates):
        if masks is None:
            if x < size and y < size:
                image[y][x] = 1 + i % colours
            continue
        for bit, lit in enumerate(f"{masks[i]:09b}"):
            row, column = y + 1 + bit // 3, x + 1 + bit % 3
            if row < size and column < size:
                image[row][column] = int(lit) * (1 + i % colours)
    return np.array(image[::-1], np.uint8)


def patches(n, seed):
    generator = random.Random(seed)
    return [generator.randrange(1, 512) for _ in range(n)]


def hue(index):
    """Colour of dot `index` as the original stores it: HSV with S = V = 0.75, hue by index modulo 128, blue first."""
    sector = (3.0 / math.pi) * (2.0 * math.pi * (float(index % 128) / 128.0))
    whole = math.floor(sector)
    value, low = 0.75, 0.75 * (1.0 - 0.75)
    falling, rising = 0.75 * (1.0 - 0.75 * (sector - whole)), 0.75 * (1.0 - 0.75 * (1.0 - sector + whole))
    red, green, blue = [
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    ][whole]
    return [int(channel * 255.0) for channel in (blue, green, red)]


def determinant(matrix):
    """|det| of a 3 x 3 matrix: elimination column by column with row exchanges, then the product by logarithms."""
    rows, pivots = [list(row) for row in matrix], []
    for j in range(3):
        for i in range(3):
            total = 0.0
            for m in range(min(i, j)):
                total += rows[i][m] * rows[m][j]
            rows[i][j] -= total
        size = [abs(row[j]) for row in rows]
        largest = size.index(max(size[j:]), j)
        rows[j], rows[largest] = rows[largest], rows[j]
        pivots.append(abs(rows[j][j]))
        if not pivots[-1]:
            return 0.0
        for i in range(j + 1, 3):
            rows[i][j] *= 1.0 / rows[j][j]
    first, second, third = map(math.log, pivots)
    return math.exp(first + second + third)


def variances(points):
    """The variance of each axis after one scale has taken all of them to 0..2."""
    low, high = min(map(min, points)), max(map(max, points))
    result = []
    for axis in range(3):
        total = squares = 0.0
        values = [(point[axis] - low) * (2.0 / (high - low)) for point in points]
        for value in values:
            total += value
        for value in values:
            squares += (value - total / len(points)) * (value - total / len(points))
        result.append(squares / len(points))
    return result


def cloud(points):
    """The points as one scale takes all axes to -1..1, each axis less its sum over one more than their number."""
    low, high = min(map(min, points)), max(map(max, points))
    scaled = [[(value - low) / (high - low) * 2.0 - 1.0 for value in point] for point in points]
    centre = []
    for axis in range(3):
        total = 0.0
        for point in scaled:
            total += point[axis]
        centre.append(total / (len(points) + 1))
    return [tuple(value - c for value, c in zip(point, centre, strict=True)) for point in scaled]


F = np.float32


def _multiply(matrix, vector):
    """A matrix of rows times a vector: the products of a row added from left to right."""
    result = []
    for row in matrix:
        total = row[0] * vector[0]
        for a, b in zip(row[1:], vector[1:], strict=True):
            total = total + a * b
        result.append(total)
    return result


def rotation(angles):
    """Rows of float32, as glm.rotate makes them; angles: pairs of an axis (1 is Y, 2 is Z) and an angle."""
    matrix = [[F(i == j) for j in range(3)] for i in range(3)]
    for axis, angle in angles:
        c, s = F(math.cos(float(F(angle)))), F(math.sin(float(F(angle))))
        unit = [F(i == axis) for i in range(3)]
        turn = [[(F(1) - c) * unit[i] * unit[j] for j in range(3)] for i in range(3)]
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            turn[i][i] = c + turn[i][i]
            turn[i][j] = turn[i][j] - s * unit[k]
            turn[j][i] = turn[j][i] + s * unit[k]
        columns = [_multiply(matrix, [turn[i][j] for i in range(3)]) for j in range(3)]
        matrix = [list(row) for row in zip(*columns, strict=True)]
    return matrix


def look_at(matrix):
    """Rows (3 x 4) of float32: world to camera, which looks at the origin from 4 along the first column's opposite."""
    ahead, up = [row[0] for row in matrix], [row[1] for row in matrix]
    eye = [F(0) - a * F(4) for a in ahead]
    ahead = _unit([F(0) - e for e in eye])
    right = _unit(_cross(ahead, up))
    rows = [right, _cross(right, ahead), [-a for a in ahead]]
    return [[*row, -_multiply([row], eye)[0]] for row in rows]


def _unit(vector):
    length = F(1) / np.sqrt(_multiply([vector], vector)[0])
    return [value * length for value in vector]


def _cross(a, b):
    return [a[j] * b[k] - b[j] * a[k] for j, k in ((1, 2), (2, 0), (0, 1))]


def view(points, camera, size, side):
    """The image (size, size) of 0 and 1 that OpenGL draws of points with glm.perspective(45 degrees, 1, 1, 100)."""
    zoom = F(1) / F(math.tan(F(math.radians(45)) / F(2)))
    image = np.zeros((size, size), np.uint8)
    for point in points:
        right, up, back = _multiply(camera, [*map(F, point), F(1)])
        x, y, z, w = right * zoom, up * zoom, back * (F(-101) / F(99)) + F(-200) / F(99), -back
        if any(not abs(value) <= w for value in (x, y, z)):
            continue
        corner = []
        for value in (y, x):  # the sum is fused with its product: float64 holds the product exactly
            place = F(float(value * (F(1) / w)) * (size / 2) + size / 2)
            snapped = math.floor(float(place) * 256 + 0.5) / 256
            corner.append(math.floor(snapped + 0.5 * (side % 2 == 0)) - side // 2)
        for row in range(corner[0], corner[0] + side):
            for column in range(corner[1], corner[1] + side):
                if 0 <= row < size and 0 <= column < size:
                    image[row, column] = 1
    return image


def pasted(pixels, patches, size):
    """Patches (n, 9), one after another, by the original's rule."""
    canvas = np.zeros((2**8, 2**8), np.uint8)
    for (x, y), patch in zip(pixels.tolist(), patches, strict=True):
        canvas[y + 1 : y + 4, x + 1 : x + 4] = patch.reshape(3, 3)
    return canvas[:size, :size][::-1]


def words(key, count):
    """SplitMix64 in Python's whole numbers."""
    found = []
    for number in range(1, count + 1):
        z = (key + number * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        found.append(z ^ z >> 31)
    return found


def drawn(kind, unit, low, high, key, n):
    """Drawn patches (n, 9), cell by cell."""
    count = n if unit == "dot" else min(n, 1)
    stream = words(key, count + 9 * count)
    digits = [word >> 16 * part & 0xFFFF for word in stream[count:] for part in range(4)]
    cells = []
    for i in range(count):
        mask = 1 + (stream[i] >> 32) * 511 // 2**32
        lit = [mask >> 8 - cell & 1 if kind != "texture" else 1 for cell in range(9)]
        grays = [low + digit * (high - low + 1) // 2**16 for digit in digits[9 * i : 9 * i + 9]]
        grays = [127] * 9 if kind == "pattern" else grays
        cells.append([bit * gray for bit, gray in zip(lit, grays, strict=True)])
    return np.array((cells * n)[:n] if unit == "image" else cells, np.uint8).reshape(n, 9)
