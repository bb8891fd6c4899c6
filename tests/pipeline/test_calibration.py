import numpy as np
import pytest

from ner11.pipeline.calibration import RANGE, fit
from ner11.pipeline.tags import TagScheme

SCHEME = TagScheme("IO", ("X", "Y"))


def draw(true_temperature, tokens=20_000):
    """Logits whose gold tags are drawn at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(tokens, 3))
    shares = np.exp(logits / true_temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    gold = (rng.random((tokens, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return logits, np.eye(3, dtype=bool)[gold]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_finds_the_temperature_that_the_data_was_drawn_at(temperature):
    logits, allowed = draw(temperature)
    assert fit(logits, allowed, [20] * 1_000, SCHEME) == pytest.approx(temperature, rel=0.05)


def test_what_is_always_right_stays_within_the_range():
    logits = np.eye(3)[[0, 1, 2]] * 5
    assert RANGE[0] <= fit(logits, np.eye(3, dtype=bool), [3], SCHEME) < 0.2
