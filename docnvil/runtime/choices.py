"""Names of precisions, apart from `docnvil.runtime.precision` so that settings do not import torch."""

from typing import Literal

Precision = Literal["float32", "float64", "tf32", "bf16"]
