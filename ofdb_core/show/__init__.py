"""What people look at: figures, widgets and the report. No result depends on this wing.

Imports `families`, `training`, `batches`, `data`, `formulas` and `base`.
"""
