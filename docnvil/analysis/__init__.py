"""Analysis of a trained network: likelihood, unit probabilities, topics, coherence, retrieval, samples."""
