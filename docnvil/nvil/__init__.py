"""Bounds, learning signals, and losses whose gradients are published estimators: functions of log-probabilities."""
