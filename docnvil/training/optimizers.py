"""The optimizer, and the gradient estimator as a module with its baselines."""

import torch
from torch import nn

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.layers import SparseLinear
from docnvil.nvil.baselines import InputDependentBaseline
from docnvil.nvil.nvil import NVIL
from docnvil.nvil.signals import no_gather
from docnvil.runtime.device_operations import on_device
from docnvil.runtime.distributed import ProcessGroup
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, Stateless
from docnvil.training.settings import TrainingConfig

BASELINE_UNITS = 100  # Mnih & Gregor (2014), section 4


def build_optimizer(model: BeliefNetwork, gradient: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Build the optimizer over the parameters of p, q and the baselines.

    Weight decay is decoupled from the gradient (Loshchilov & Hutter 2019) and applies to matrices only: biases encode
    frequencies. Each parameter group carries `lr_scale`, its learning rate as a multiple of the model's.
    """
    groups = []
    for modules, lr_scale in (((model.generative,), 1.0), ((model.recognition, gradient), config.recognition_rate)):
        named = [pair for module in modules for pair in module.named_parameters()]
        is_matrix = [parameter.dim() == 2 and not name.endswith("bias") for name, parameter in named]
        matrices = [parameter for (_, parameter), matrix in zip(named, is_matrix, strict=True) if matrix]
        others = [parameter for (_, parameter), matrix in zip(named, is_matrix, strict=True) if not matrix]
        groups += [
            {"params": matrices, "lr_scale": lr_scale, "weight_decay": config.weight_decay},
            {"params": others, "lr_scale": lr_scale, "weight_decay": 0.0},
        ]
    if on_device(model.generative.prior.bias) and config.recognition_rate == 1 and not config.weight_decay:
        groups = [{**groups[0], "params": [each for group in groups for each in group["params"]]}]  # one kernel
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, fused=True)
    capturable = on_device(model.generative.prior.bias)  # by CUDA graphs
    betas = (config.beta1, config.beta2)
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True, capturable=capturable)
    # Some updates are made without a graph; torch would advise against that in a warning.
    optimizer._warned_capturable_if_run_uncaptured = True
    return optimizer


def build_gradient(
    model: BeliefNetwork, config: TrainingConfig, generator: torch.Generator, processes: ProcessGroup
) -> nn.Module:
    """Build the gradient estimator, with NVIL's baseline networks if they are learned.

    The CPU generator draws their initial weights; NVIL's moments are taken over all processes.
    """
    losses = GRADIENT_ESTIMATORS[config.gradient].losses
    if losses is not None:
        return Stateless(losses)
    networks = _baselines(model, generator) if config.baseline == "learned" else []
    return NVIL(
        len(model.config.units),
        baseline=config.baseline,
        networks=networks,
        center=config.center,
        normalize=config.normalize,
        local=config.local_signals,
        gather=no_gather if processes.size == 1 else processes.all_gather,
    )


def _baselines(model: BeliefNetwork, generator: torch.Generator) -> list[InputDependentBaseline]:
    """Return one baseline network per layer of q, each seeing what that layer conditions on."""
    config = model.config
    first = SparseLinear(config.vocabulary_size, BASELINE_UNITS, config.recognition_input)
    upper = [nn.Linear(n_units, BASELINE_UNITS) for n_units in config.units[:-1]]
    networks = [InputDependentBaseline(layer, BASELINE_UNITS) for layer in (first, *upper)]
    for network in networks:
        nn.init.normal_(network.first.weight, std=config.weight_scale, generator=generator)
        nn.init.zeros_(network.first.bias)
    if config.recognition_input == "centered":
        first.mean.copy_(model.recognition.first.linear.mean)
    return networks
