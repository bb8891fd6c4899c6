"""AdamW that updates in torch, in one pass over a parameter."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from thinc.api import Optimizer, registry, xp2torch
from thinc.types import FloatsXd, Generator
from torch import Tensor
from torch.optim.adamw import adamw

Key = tuple[int, str]


def _is_head(key: Key) -> bool:
    """Tell thinc's layers, whose parameters have plain names, from torch modules, whose names are dotted paths."""
    return "." not in key[1]


class TorchAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019) with torch's fused kernel, shared memory and a rate of its own for the head.

    Gradients that come together are clipped by their common norm: all of the encoder's from our own shim. Thinc itself
    calls an optimizer once for each parameter and clears its gradient at once, so what comes that way is clipped by
    itself, as thinc's own optimizers do; a norm over all would need a copy of every gradient.

    Args:
        learn_rate: Rate of the encoder, or a schedule of it.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.
        eps: Added to the root of the latter.
        weight_decay: Decoupled decay of parameters with two or more dimensions (no bias, no LayerNorm).
        grad_clip: Largest norm of the gradients that come together.
        head_multiplier: How many times the encoder's rate the head learns at.
    """

    def __init__(
        self,
        learn_rate: float | Generator,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        grad_clip: float,
        head_multiplier: float,
    ) -> None:
        super().__init__(learn_rate, L2=weight_decay, beta1=beta1, beta2=beta2, eps=eps, grad_clip=grad_clip, use_averages=False)
        self.head_multiplier = head_multiplier
        self._states: dict[Key, list[Tensor]] = {}
        self._squared_norms: list[Tensor] = []
        self._norms: list[Tensor] = []

    def __call__(self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0) -> tuple[FloatsXd, FloatsXd]:
        """Update one parameter in place, as thinc asks for it.

        Args:
            key: The model's id and the parameter's name.
            weights: The parameter.
            gradient: Its gradient, of the same shape; cleared for thinc layers (torch's shims clear their own).
            lr_scale: Factor on the rate.

        Returns:
            The two arrays that came in.
        """
        if gradient.size:
            grad = xp2torch(gradient)
            self.update([(key, xp2torch(weights), grad)], lr_scale=lr_scale)
            if _is_head(key):
                grad.zero_()
        return weights, gradient

    def update(self, parameters: Sequence[tuple[Key, Tensor, Tensor]], *, lr_scale: float = 1.0) -> None:
        """Update parameters in place; none of them if the gradient of one is not finite.

        Args:
            parameters: Key, weights and gradient of each.
            lr_scale: Factor on the rate.
        """
        norm = torch.stack(torch._foreach_norm([grad for _, _, grad in parameters])).norm()
        self._squared_norms.append(norm.square())
        # Clipping and skipping happen in the kernel: no second pass over the gradients, no waiting for a GPU.
        scale, found_inf = (norm / self.grad_clip).clamp(min=1.0), (~norm.isfinite()).float()
        kinds: defaultdict[tuple[bool, bool], list[list[Tensor]]] = defaultdict(lambda: [[], [], [], [], []])
        for key, weight, grad in parameters:
            if key not in self._states:
                self._states[key] = [torch.zeros_like(weight), torch.zeros_like(weight), torch.zeros_like(norm)]
            for tensors, tensor in zip(kinds[_is_head(key), weight.dim() > 1], [weight, grad, *self._states[key]], strict=True):
                tensors.append(tensor)
        for (is_head, decays), (weights, grads, means, squares, steps) in kinds.items():
            adamw(
                weights,
                grads,
                means,
                squares,
                [],
                steps,
                fused=True,
                grad_scale=scale,
                found_inf=found_inf,
                amsgrad=False,
                beta1=self.b1,
                beta2=self.b2,
                lr=self.learn_rate * lr_scale * (self.head_multiplier if is_head else 1.0),
                weight_decay=self.L2 if decays else 0.0,
                eps=self.eps,
                maximize=False,
            )

    def step_schedules(self) -> None:
        """End a step: advance the schedules and keep the norm of its gradients."""
        if self._squared_norms:
            self._norms.append(torch.stack(self._squared_norms).sum().sqrt())
            self._squared_norms = []
        super().step_schedules()

    def pop_gradient_norm(self) -> float | None:
        """Give the mean norm of all gradients, before clipping, of the steps since the last call.

        Returns:
            The mean, inf or nan if a gradient was not finite, None if there were no steps.
        """
        norms, self._norms = self._norms, []
        return torch.stack(norms).mean().item() if norms else None


@registry.optimizers("ner11.TorchAdamW.v1")
def make_torch_adamw(
    learn_rate: float | Generator,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    grad_clip: float,
    head_multiplier: float,
) -> TorchAdamW:
    """Make the optimizer; the arguments are those of `TorchAdamW`."""
    return TorchAdamW(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
        grad_clip=grad_clip,
        head_multiplier=head_multiplier,
    )
