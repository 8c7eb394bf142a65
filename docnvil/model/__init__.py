"""The networks p(x, h) and q(h | x): distributions, the layers that return them, and what is built of layers."""
