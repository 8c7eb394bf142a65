"""The networks p(x, h) and q(h | x): distributions, layers that return them, and models of layers."""
