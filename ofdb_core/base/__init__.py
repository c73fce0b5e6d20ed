"""Ground floor: parameter values and their checks, files and folders on disk, provenance, records, signals.

Imports nothing else of ofdb_core, and of other packages only what is light.
"""
