"""Labelled images become batches: what is drawn for each sample, how it is drawn, mixed and loaded.

Imports `data`, `formulas` and `base`.
"""
