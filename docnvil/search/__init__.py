"""Search in documents: an index on disk that combines words and units."""
