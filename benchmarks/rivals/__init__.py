"""Neural topic models of other people in a few lines each, to stand beside docnvil on equal terms."""
