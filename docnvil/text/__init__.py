"""Documents, tokens, vocabularies and counts in memory, and their files.

It depends neither on models nor on torch. Axes: `N` documents, `V` words of the vocabulary.
"""
