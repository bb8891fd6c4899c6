"""The collapse watch: does the model predict about as many entities as there are?"""

from ner11.errors import CollapseError

NOTHING = 0.02
"""Predicted over gold entities below which a model predicts as good as nothing."""
TOO_MUCH = 5.0
WARN_AFTER = 2
STOP_AFTER = 5
"""Evaluations after warm-up, one after the other, that predict nothing."""

_NOTHING_CAUSES = (
    "the learning rate is too high or warms up too short (training.optimizer.learn_rate: initial_rate, warmup_steps)",
    "there are too few steps (--vars.epochs)",
    "the head learns no faster than the encoder (training.optimizer: head_multiplier)",
    "labels do not fit the tokens (corpus/merged/ledger.json)",
    "fp16 overflows (--vars.precision fp32)",
)
"""By likelihood."""
_TOO_MUCH_CAUSES = (
    "class weights or focal loss are too strong (components.ner.loss: weight_exponent, weight_cap, focal_gamma)",
    "the learning rate is too high (training.optimizer.learn_rate: initial_rate)",
)


class CollapseWatch:
    """Follows the ratio of predicted to gold entities on dev from one evaluation to the next.

    Args:
        warmup_steps: Steps of the warm-up, during which nothing is expected of the model.
    """

    def __init__(self, *, warmup_steps: int) -> None:
        self._warmup_steps = warmup_steps
        self._empty = 0
        self._too_much = False

    def look(self, *, step: int, ratio: float | None) -> str | None:
        """Judge one evaluation.

        Args:
            step: Steps done.
            ratio: Predicted over gold entities on dev; None if dev has no gold entities.

        Returns:
            A warning with likely causes, each once; None if all is well.

        Raises:
            CollapseError: If the model has predicted nothing in `STOP_AFTER` evaluations in a row.
        """
        if ratio is None or step == 0 or step <= self._warmup_steps:
            return None
        self._empty = self._empty + 1 if ratio < NOTHING else 0
        if self._empty >= STOP_AFTER:
            raise CollapseError(
                f"the model has predicted nothing in {STOP_AFTER} evaluations after warm-up (step {step}, {ratio:.3f} times as "
                "many entities as there are); the last good model stays",
                where="train",
                fix="Likely causes, likeliest first: " + "; ".join(_NOTHING_CAUSES),
            )
        if self._empty == WARN_AFTER:
            return f"The model predicts nothing (step {step}). Likely causes: " + "; ".join(_NOTHING_CAUSES)
        if ratio > TOO_MUCH and not self._too_much:
            self._too_much = True
            return (
                f"The model predicts {ratio:.1f} times as many entities as there are (step {step}). Likely causes: "
                + "; ".join(_TOO_MUCH_CAUSES)
            )
        return None
