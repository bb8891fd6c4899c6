"""What is measured of a training."""

import resource
import sys
from dataclasses import dataclass
from typing import Any


@dataclass
class Measured:
    """A training, measured.

    Attributes:
        nlp: The pipeline in memory, as the last step left it; None where there is none.
        seconds: Time of the steps, batching included; loading, evaluation and saving left out.
        steps: Steps done.
        words: Tokens seen.
        peak_mib: Most memory that the process held until the last step, in MiB.
        precision: Precision of the encoder's matrix products.
    """

    nlp: Any = None
    seconds: float = 0.0
    steps: int = 0
    words: int = 0
    peak_mib: float = 0.0
    precision: str = "fp32"


def peak_mib() -> float:
    """Give the most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB
