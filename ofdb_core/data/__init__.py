"""Data: image files, tables, archives, real data sets, and how labelled images become augmented batches.

Imports `base` and `formulas`.
"""
