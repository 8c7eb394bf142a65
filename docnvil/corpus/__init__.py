"""Corpora on disk, larger than memory: counting in parallel, shards, reading and writing."""
