"""From words to counts: documents are read, split into tokens and counted; counts are read and written.

This wing knows files and words and nothing of models; it never imports torch. Axes: `N` documents, `V` words.
"""
