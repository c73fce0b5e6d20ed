"""Formulas: iterated function systems, contours, points, rasters and cameras, as pure functions of arrays.

Needs NumPy and numba only; imports `base`.
"""
