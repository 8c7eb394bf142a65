"""How well a model explains unseen documents, and how well its units can be read."""
