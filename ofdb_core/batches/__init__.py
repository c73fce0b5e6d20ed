"""Labelled images become batches: samples are drawn, augmented, mixed and loaded.

Imports `data`, `formulas` and `base`.
"""
