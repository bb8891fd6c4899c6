"""The pretrained encoder, cut in frozen layers, whose output is computed once and kept, and layers to be trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel, AutoTokenizer
from transformers.models.bert.modeling_bert import BertLayer

from active.data import PoolText
from ner11.pipeline.transformer import read_with
from ner11.pipeline.windows import TextReader, group_by_length

MAX_PIECES, OVERLAP = 128, 32
READ_PIECES = 2048
"""Padded word pieces that are read at once."""


@dataclass(frozen=True)
class Learner:
    """How a learner is made of the encoder and trained.

    Attributes:
        trained: Layers that are trained.
        dropped: Highest layers that are left out; those below the trained ones are frozen.
        rate: Learning rate of the layers.
        head_multiplier: How many times that the head learns at.
    """

    trained: int
    dropped: int
    rate: float
    head_multiplier: float


@dataclass
class Frozen:
    """What the frozen layers give for a text.

    Attributes:
        states: Of the pieces of each window, with the special ones: (pieces, width), float16.
        linked: Of each window, places of pieces that belong to a token, and its number in the text.
        tokens: Tokens of the text.
    """

    states: list[Tensor]
    linked: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    tokens: int

    @property
    def width(self) -> int:
        """Pieces of the longest window."""
        return max(map(len, self.states))


class Encoder:
    """The pretrained encoder, cut in a frozen and a trained part.

    Args:
        folder: A BERT-like encoder.
        learner: How it is cut.
    """

    def __init__(self, folder: Path, learner: Learner) -> None:
        self.model = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
        encode, specials = read_with(AutoTokenizer.from_pretrained(folder, use_fast=True))
        self.reader = TextReader(encode, specials, MAX_PIECES, OVERLAP)
        self.learner = learner

    @property
    def layers(self) -> list[BertLayer]:
        """The layers that are used, from the lowest on."""
        return list(self.model.encoder.layer)[: len(self.model.encoder.layer) - self.learner.dropped]

    def cut(self) -> int:
        """Number of the frozen layers."""
        return len(self.layers) - self.learner.trained

    @torch.no_grad()
    def freeze(self, texts: Sequence[PoolText]) -> list[Frozen]:
        """Run the frozen layers over texts."""
        readings = [self.reader.read([text.doc]) for text in texts]
        windows = [(i, reading.pad([window])) for i, reading in enumerate(readings) for window in range(len(reading.lengths))]
        made = [Frozen([], [], len(text.doc)) for text in texts]
        states: list[Tensor] = [torch.zeros(0)] * len(windows)
        lengths = [padded.ids.shape[1] for _, padded in windows]
        for group in group_by_length(lengths, max_padded=READ_PIECES):
            width = max(lengths[i] for i in group)
            ids = np.stack([np.pad(windows[i][1].ids[0], (0, width - lengths[i])) for i in group])
            mask = torch.from_numpy(np.arange(width) < np.array([[lengths[i]] for i in group]))[:, None, None]
            hidden = self.model.embeddings(input_ids=torch.from_numpy(ids))
            for layer in self.layers[: self.cut()]:
                hidden = layer(hidden, attention_mask=mask)[0]
            for i, own in zip(group, hidden, strict=True):
                states[i] = own[: lengths[i]].half()
        for (i, padded), own in zip(windows, states, strict=True):
            made[i].states.append(own)
            made[i].linked.append((padded.linked, padded.tokens))
        return made


def collate(texts: Sequence[Frozen]) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Pad the windows of texts.

    Returns:
        States (windows, longest, width), attention mask for each, places of linked pieces in the flattened batch, the token
        of each, and the number of tokens.
    """
    windows = [(state, link, token) for text in texts for state, (link, token) in zip(text.states, text.linked, strict=True)]
    width = max((len(state) for state, _, _ in windows), default=0)
    states = torch.zeros(len(windows), width, windows[0][0].shape[1])
    mask = torch.zeros(len(windows), 1, 1, width, dtype=torch.bool)
    starts = np.repeat(np.cumsum([0, *(text.tokens for text in texts)])[:-1], [len(text.states) for text in texts])
    places, tokens = [], []
    for row, ((state, link, token), start) in enumerate(zip(windows, starts, strict=True)):
        states[row, : len(state)] = state
        mask[row, ..., : len(state)] = True
        places.append(link + row * width)
        tokens.append(token + start)
    flat = [torch.from_numpy(np.concatenate(parts)) for parts in (places, tokens)]
    return states, mask, *flat, sum(text.tokens for text in texts)
