"""The query strategies by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ner11.active import diversity, uncertainty
from ner11.errors import Ner11Error

RANDOM = "random"
PER_TOKEN = "-per-token"
"""Ends the name of a strategy whose scores are divided by the tokens of the text: what a text tells for what it costs to read."""


@dataclass(frozen=True)
class Strategy:
    """A way to choose texts.

    Attributes:
        name: As it is chosen by.
        score: From logits to a score a text, of `uncertainty`; from several of them for one that needs `draws`.
        choose: From vectors to chosen ones, of `diversity`.
        draws: Whether it needs passes with dropout.
        per_token: Whether scores are divided by tokens.
    """

    name: str
    score: Callable[..., Any] | None = None
    choose: Callable[..., Any] | None = None
    draws: bool = False
    per_token: bool = False


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy("least-confidence", uncertainty.least_confidence),
        Strategy("mnlp", uncertainty.mnlp),
        Strategy("total-entropy", uncertainty.total_token_entropy),
        Strategy("mean-entropy", uncertainty.mean_token_entropy),
        Strategy("margin", uncertainty.breaking_ties),
        Strategy("boundary-entropy", uncertainty.boundary_entropy),
        Strategy("bald", uncertainty.bald, draws=True),
        Strategy("margin" + PER_TOKEN, uncertainty.breaking_ties, per_token=True),
        Strategy("core-set", choose=diversity.core_set),
        Strategy("k-means", choose=diversity.k_means_seeds),
        Strategy(RANDOM),
    )
}


def find_strategy(name: str) -> Strategy:
    """Find a strategy.

    Raises:
        Ner11Error: If there is none of that name.
    """
    if name not in STRATEGIES:
        raise Ner11Error(f"there is no strategy '{name}'", fix=f"Choose from {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
