"""The input-dependent baseline C(x): a small network that predicts the learning signal."""

from torch import Tensor, nn


class InputDependentBaseline(nn.Module):
    """C(x) = v tanh(W x + b) + d, trained to minimize E[(l - C(x) - c)^2].

    `first` is the map W x + b from the input of the layer of q to the hidden units, `[..., n_hidden]`.

    Source: Mnih & Gregor (2014), section 2.3.1 and supplement: one hidden layer of 100 tanh units.
    """

    def __init__(self, first: nn.Module, n_hidden: int = 100) -> None:
        super().__init__()
        self.first = first
        self.last = nn.Linear(n_hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, parents: object) -> Tensor:
        """Return the predicted signal: `[B]` from documents, `[S, B]` from sampled units."""
        return self.last(self.first(parents).tanh()).squeeze(-1)
