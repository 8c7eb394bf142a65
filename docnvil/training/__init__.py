"""Training: settings, recipes, initialization, gradient estimators and the loop."""
