"""The standing guard: hostile files for every reader, and kills at random moments; see docs/trust.md.

pytest tries a bounded number of each; `python -m tests.guard --minutes 60` goes on for as long as it is given.
"""
