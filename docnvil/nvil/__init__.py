"""Bounds, learning signals and losses with the published estimators' gradients, of log-probabilities, never models."""
