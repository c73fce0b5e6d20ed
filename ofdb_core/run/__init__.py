"""The runner: an experiment's notebooks in order, one notebook by papermill, a training in several processes.

The top floor: imports any wing, and none imports it.
"""
