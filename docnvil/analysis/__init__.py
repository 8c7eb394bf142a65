"""What a trained network says about documents: likelihoods, codes, topics, coherence, retrieval, samples."""
