import numpy as np
import pytest
import torch
from spacy import registry
from thinc.api import Linear, Optimizer, PyTorchWrapper, fix_random_seed

from ner11.pipeline.optimizer import make_torch_adamw


def make(rate=0.01, *, grad_clip=1.0, head_multiplier=1.0, weight_decay=0.1):
    return make_torch_adamw(rate, 0.9, 0.999, 1e-8, weight_decay, grad_clip, head_multiplier)


def test_is_an_optimizer_that_a_config_can_name():
    assert registry.optimizers.get("ner11.TorchAdamW.v1") is make_torch_adamw
    assert isinstance(make(), Optimizer)
    assert make().averages is None


def test_equals_torchs_own_step_by_step_with_clipping_and_without_decay_of_biases():
    torch.manual_seed(0)
    ours, theirs = torch.randn(4, 3), [torch.nn.Parameter(torch.empty(0)), torch.nn.Parameter(torch.empty(0))]
    bias = torch.randn(4)
    theirs[0].data, theirs[1].data = ours.clone(), bias.clone()
    reference = torch.optim.AdamW(
        [{"params": theirs[:1], "weight_decay": 0.1}, {"params": theirs[1:], "weight_decay": 0.0}], lr=0.01
    )
    optimizer = make()
    for step in range(20):
        gradients = torch.randn(4, 3) * 10 ** (step % 3 - 1), torch.randn(4)
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = gradient.clone()
            torch.nn.utils.clip_grad_norm_([weight], 1.0)
        reference.step()
        for name, weight, gradient in zip(("x.weight", "x.bias"), (ours, bias), gradients, strict=True):
            optimizer((1, name), weight.numpy(), gradient.numpy())
        optimizer.step_schedules()
        np.testing.assert_allclose(ours, theirs[0].detach(), atol=1e-6)
        np.testing.assert_allclose(bias, theirs[1].detach(), atol=1e-6)


def test_gradients_that_come_together_are_clipped_by_their_common_norm():
    torch.manual_seed(0)
    weights = [torch.randn(4, 3), torch.randn(2, 2)]
    theirs = [torch.nn.Parameter(weight.clone()) for weight in weights]
    reference, optimizer = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1), make()
    for step in range(10):
        gradients = [torch.randn(4, 3) * 10 ** (step % 3 - 1), torch.randn(2, 2)]
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        reference.step()
        optimizer.update([((1, f"x.{i}"), weights[i], gradients[i]) for i in range(2)])
    for weight, their in zip(weights, theirs, strict=True):
        np.testing.assert_allclose(weight, their.detach(), atol=1e-6)


def test_the_head_learns_faster_than_the_encoder_and_its_gradient_is_cleared():
    moved = {}
    for name in ("W", "layer.weight"):
        weights, gradient = np.zeros((2, 2), dtype="f"), np.full((2, 2), 0.1, dtype="f")
        make(head_multiplier=10.0)((1, name), weights, gradient)
        moved[name] = abs(weights).mean()
        assert bool(gradient.any()) == (name == "layer.weight")  # torch's shims clear theirs
    assert moved["W"] == pytest.approx(10 * moved["layer.weight"], rel=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing_and_shows_in_the_norm(bad):
    optimizer, weights = make(), np.ones((2, 2), dtype="f")
    gradient = np.array([[bad, 0], [0, 0]], dtype="f")
    optimizer((1, "W"), weights, gradient)
    optimizer.step_schedules()
    assert (weights == 1).all() and not gradient.any()
    assert not np.isfinite(optimizer.pop_gradient_norm())
    twin, same = make(), np.ones((2, 2), dtype="f")
    for each, array in ((optimizer, weights), (twin, same)):
        each((1, "W"), array, np.full((2, 2), 0.1, dtype="f"))
    np.testing.assert_array_equal(weights, same)


def test_the_norm_is_that_of_all_gradients_before_clipping_averaged_over_steps():
    optimizer = make()
    assert optimizer.pop_gradient_norm() is None
    for factor in (1.0, 3.0):
        optimizer((1, "W"), np.ones((1, 1), dtype="f"), np.full((1, 1), 3 * factor, dtype="f"))
        optimizer((1, "b"), np.ones(1, dtype="f"), np.full(1, 4 * factor, dtype="f"))
        optimizer.step_schedules()
    assert optimizer.pop_gradient_norm() == pytest.approx(10.0)
    assert optimizer.pop_gradient_norm() is None


def test_follows_its_schedule():
    optimizer = make(iter([0.0, 0.5]))
    weights = np.ones((1, 1), dtype="f")
    optimizer((1, "W"), weights, np.ones((1, 1), dtype="f"))
    assert weights[0, 0] == 1
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.5


@pytest.mark.parametrize("model", [lambda: Linear(1, 3), lambda: PyTorchWrapper(torch.nn.Linear(3, 1))])
def test_trains_models_of_thinc_and_torch_in_place(model):
    fix_random_seed(0)
    model, optimizer = model(), make(0.1, weight_decay=0.0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("f")
    y = x @ np.array([[1.0], [-2.0], [0.5]], dtype="f")
    model.initialize(X=x, Y=y)
    for _ in range(200):
        guess, backprop = model.begin_update(x)
        backprop((guess - y) / len(x))
        model.finish_update(optimizer)
    assert abs(model.predict(x) - y).max() < 0.05
