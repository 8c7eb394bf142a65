"""Comparison with topic models of other packages, on the same counts and with the same scores."""
