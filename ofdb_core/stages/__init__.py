"""Stages of learning: pre-training, fine-tuning and evaluation, each with its parameters.

Imports every wing below: `training`, `families`, `data`, `formulas`, `base`.
"""
