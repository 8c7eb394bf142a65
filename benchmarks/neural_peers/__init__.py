"""Short implementations of published neural topic models, for comparison with docnvil."""
