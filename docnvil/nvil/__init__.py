"""Bounds, learning signals and the losses whose gradients are NVIL's; they see log-probabilities, never models."""
