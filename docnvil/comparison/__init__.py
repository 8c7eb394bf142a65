"""Other topic models, fitted and scored on the same counts as docnvil."""
