"""Training: networks, weights as files, the one training loop, its states on disk, and evaluation.

Imports `base` and `data`.
"""
