"""Families of formula-driven images, one file each, and the registry that the rest of the lab reads them from.

A family's file holds its parameters, its writer, its samples for training, its cover picture and its goldens, and ends
with its registration: see `registry.Family`. A new file here is found by itself; no other file knows its name. `live`
and `live_views` draw samples during training, for any family.
Imports `base`, `formulas` and `data`.
"""
