"""Data: labelled images, image files, tables, archives, real data sets.

Imports `base` and `formulas`.
"""
