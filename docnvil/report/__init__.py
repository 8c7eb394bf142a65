"""A trained model as pictures: a self-contained HTML page about it, and an overview in one SVG drawing.

`drawing` knows numbers and words, `page` knows a checkpoint; neither needs a plotting library, and what they return
asks nothing of the network. Equal models give equal bytes.
"""
