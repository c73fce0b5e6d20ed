"""Stages of learning, each with its parameters: pre-training, fine-tuning, segmentation, evaluation and prediction.

Imports every wing below: `training`, `families`, `data`, `formulas`, `base`.
"""
