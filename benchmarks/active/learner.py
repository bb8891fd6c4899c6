"""A learner that is cheap and honest: lower layers of the embedded encoder and a head, with the project's loss and decoding.

Embeddings and the lowest layers are frozen, so what they give for a text is the same in every training: it is computed once and
kept. The highest layers are left out: they were trained for vectors of sentences, and a layer that is trained in their place
finds more (with 600 texts of cyner F1 52.5 on two frozen layers, 45.2 on four, 42.8 on five).
"""

import math
import random
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from active.data import PoolText
from active.encoder import READ_PIECES, Encoder, Frozen, Learner, collate
from ner11.pipeline.chain import Packing
from ner11.pipeline.confidence import find_spans
from ner11.pipeline.loss import AllowedSetLoss
from ner11.pipeline.tags import TagScheme
from ner11.pipeline.windows import group_by_length

Floats = NDArray[np.float32]
BATCH_PIECES = 512
"""Padded word pieces of a training batch."""
WARMUP, DROPOUT = 0.1, 0.1
WEIGHT_DECAY, CLIP = 0.01, 1.0
LEARNERS = {"third-layer": Learner(1, 3, 1e-3, 3.0), "all-layers": Learner(6, 0, 3e-4, 10.0)}
"""The learner of the simulation, and the one that its texts are tried on; the embeddings of words are frozen in both."""


class Tagger(nn.Module):
    """The trained layers and a linear layer to tags.

    Args:
        encoder: Its upper layers are copied.
        tags: Number of tags.
        prior: Log of each tag's share, the bias to begin with, shape (tags,).
    """

    def __init__(self, encoder: Encoder, tags: int, prior: Floats) -> None:
        super().__init__()
        self.layers = nn.ModuleList(deepcopy(layer) for layer in encoder.layers[encoder.cut() :])
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(encoder.model.config.hidden_size, tags)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data[:] = torch.from_numpy(prior)

    def vectors(self, batch: tuple[Tensor, Tensor, Tensor, Tensor, int]) -> Tensor:
        """Give the vectors of tokens, the means over their pieces, shape (tokens, width)."""
        states, mask, places, tokens, count = batch
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported()):
            for layer in self.layers:
                states = layer(states, attention_mask=mask)[0]
        linked = states.float().flatten(0, 1).index_select(0, places)
        sums = torch.zeros(count, linked.shape[1]).index_add(0, tokens, linked)
        return sums / torch.bincount(tokens, minlength=count).clamp(min=1)[:, None]

    def forward(self, batch: tuple[Tensor, Tensor, Tensor, Tensor, int]) -> Tensor:
        """Give logits, shape (tokens, tags)."""
        return self.head(self.dropout(self.vectors(batch)))


def log_prior(texts: Sequence[PoolText], scheme: TagScheme) -> Floats:
    """Give the log of each tag's share, as the project's component begins with."""
    counts = np.ones(len(scheme))
    for text in texts:
        taken = 0
        for start, end, label in text.gold:
            taken += end - start
            for position in range(len(scheme.positions)):
                counts[scheme.ids(position, [scheme.labels.index(label)])] += (end - start) / len(scheme.positions)
        counts[0] += len(text.doc) - taken
    return np.log(counts / counts.sum()).astype(np.float32)


def _batches(frozen: Sequence[Frozen], order: list[int]) -> list[list[int]]:
    """Deal texts in an order to batches of like length."""
    batches: list[list[int]] = []
    for start in range(0, len(order), 128):
        part = sorted(order[start : start + 128], key=lambda i: frozen[i].width)
        for group in group_by_length([frozen[i].width for i in part], max_padded=BATCH_PIECES):
            batches.append([part[i] for i in group])
    return batches


def train(
    encoder: Encoder, texts: Sequence[PoolText], frozen: Sequence[Frozen], scheme: TagScheme, *, epochs: int, seed: int
) -> Tagger:
    """Train from scratch: from the pretrained layers and an empty head, whatever was trained before.

    Args:
        encoder: The encoder.
        texts: Annotated texts.
        frozen: What its frozen part gives for each.
        scheme: The chain of tags.
        epochs: Passes over the texts.
        seed: Of order and dropout.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tagger = Tagger(encoder, len(scheme), log_prior(texts, scheme)).train()
    allowed = [text.allowed(scheme) for text in texts]
    plan = []
    for _ in range(epochs):
        order = [*range(len(texts))]
        rng.shuffle(order)
        batches = _batches(frozen, order)
        rng.shuffle(batches)
        plan += batches
    body, learner = list(tagger.layers.parameters()), encoder.learner
    groups = [
        {"params": [p for p in body if p.dim() > 1], "lr": learner.rate, "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in body if p.dim() == 1], "lr": learner.rate, "weight_decay": 0.0},
        {"params": list(tagger.head.parameters()), "lr": learner.rate * learner.head_multiplier, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, fused=True)
    warmup, total = max(1, math.ceil(WARMUP * len(plan))), len(plan)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (total - step) / max(1, total - warmup)))
    )
    loss = AllowedSetLoss()
    for batch in plan:
        logits = tagger(collate([frozen[i] for i in batch]))
        packing = Packing.of([frozen[i].tokens for i in batch])
        marks = np.concatenate([allowed[i] for i in batch])
        _, gradient = loss(packing.pack(logits.detach().numpy()), packing.pack(marks), packing, scheme)
        logits.backward(torch.from_numpy((packing.unpack(gradient) / len(marks)).astype(np.float32)))
        nn.utils.clip_grad_norm_(tagger.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return tagger.eval()


@torch.no_grad()
def read(tagger: Tagger, frozen: Sequence[Frozen]) -> list[Floats]:
    """Give the vectors of the tokens of each text, shape (tokens, width)."""
    made: list[Floats] = [np.zeros((0, 0), dtype=np.float32)] * len(frozen)
    for group in group_by_length([text.width for text in frozen], max_padded=READ_PIECES):
        texts = [frozen[i] for i in group]
        vectors = tagger.vectors(collate(texts)).numpy()
        for i, own in zip(group, np.split(vectors, np.cumsum([text.tokens for text in texts])[:-1]), strict=True):
            made[i] = own
    return made


def head_of(tagger: Tagger) -> tuple[Floats, Floats]:
    """Give weights and bias of the linear layer."""
    return tagger.head.weight.detach().numpy(), tagger.head.bias.detach().numpy()


def count_right(tagger: Tagger, texts: Sequence[PoolText], frozen: Sequence[Frozen], scheme: TagScheme) -> dict[str, list[int]]:
    """Score: true positives, false positives and false negatives of exact spans by document."""
    weights, bias = head_of(tagger)
    vectors = read(tagger, frozen)
    logits = np.concatenate(vectors) @ weights.T + bias
    found = find_spans(logits, [len(own) for own in vectors], scheme)
    counts: dict[str, list[int]] = {}
    for text, spans in zip(texts, found, strict=True):
        gold = set(text.gold)
        predicted = {(span.start, span.end, span.label) for span in spans if not text.unknown[span.start : span.end].any()}
        row = counts.setdefault(text.document, [0, 0, 0])
        for i, number in enumerate((gold & predicted, predicted - gold, gold - predicted)):
            row[i] += len(number)
    return counts


def f1(counts: dict[str, list[int]]) -> float:
    """Give micro F1 of counts by document."""
    tp, fp, fn = np.sum([*counts.values()], axis=0).tolist()
    return 2 * tp / max(1, 2 * tp + fp + fn)
