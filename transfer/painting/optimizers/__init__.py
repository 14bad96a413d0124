"""Optimizers of a canvas.

Each takes the loss and gradient at the parameters and moves them on: one call is one evaluation, so that different
optimizers are compared by what they cost.
"""
