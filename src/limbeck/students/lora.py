"""A causal language model with low-rank adapters: taught rows of tokens, asked for the probability of answers.

LoRA (Hu et al., ICLR 2022, arXiv 2106.09685) by the library peft. Knows nothing of texts, labels or files. The seed,
the batches and torch's number of threads decide every bit of what comes out; torch's random state is left as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch.nn import functional

from limbeck.students.base import Floats
from limbeck.students.training import Recipe, autocast, batches, pace

Arrays = dict[str, npt.NDArray[np.float32]]

SCALE = 2  # how far an adapter counts, in ranks: the paper's alpha is 2 · rank
DROPOUT, CLIP = 0.05, 1.0
ASKED = 32  # rows that are asked together


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt, the answer that follows it, both as tokens, and how much the answer's log-probability counts."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    weight: float = 1.0


def adapted(model: Any, *, rank: int) -> Any:
    """The model with adapters of this rank on all its linear layers but the last; they begin as nothing."""
    config = LoraConfig(
        r=rank, lora_alpha=SCALE * rank, lora_dropout=DROPOUT, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers whose weights lie transposed, which peft then minds itself
        return get_peft_model(model, config)


def teach(model: Any, rows: Sequence[Row], *, rank: int, recipe: Recipe, seed: int) -> Any:
    """The model with adapters that make the answers likely, by AdamW with warm-up and linear decay.

    Args:
        model: a copy of its own; it is changed.
        rows: what to learn; weights > 0, of mean 1.
        rank: of the adapters.
        recipe: how.
        seed: of the adapters, the order and the dropout.
    """
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = adapted(model, rank=rank)
        network.train()
        learned = [weight for weight in network.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(learned, lr=recipe.rate, weight_decay=0.0)
        total = recipe.epochs * -(-len(rows) // recipe.batch)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, total))
        for _ in range(recipe.epochs):
            for batch in batches([len(row.prompt) + len(row.answer) for row in rows], recipe.batch, rng=rng):
                part = [rows[i] for i in batch]
                weights = torch.tensor([row.weight for row in part], dtype=torch.float32)
                optimiser.zero_grad()
                (-(_likelihoods(network, part) * weights).sum() / recipe.batch).backward()
                torch.nn.utils.clip_grad_norm_(learned, CLIP)
                optimiser.step()
                scheduler.step()
    network.eval()
    return network


def score(network: Any, rows: Sequence[Row]) -> Floats:
    """Log-probability of each row's answer after its prompt, shape [rows], in nats."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].prompt) + len(rows[i].answer))
    found = np.empty(len(rows))
    with torch.inference_mode():
        for start in range(0, len(rows), ASKED):
            part = order[start : start + ASKED]
            found[part] = _likelihoods(network, [rows[i] for i in part]).numpy()
    return found


def kept(network: Any) -> Arrays:
    """The adapters' numbers."""
    return {name: weight.float().numpy() for name, weight in get_peft_model_state_dict(network).items()}


def restored(model: Any, arrays: Mapping[str, npt.NDArray[np.float32]], *, rank: int) -> Any:
    """The model with adapters that were kept; raises ValueError where they are not its own."""
    network = adapted(model, rank=rank)
    own = get_peft_model_state_dict(network)
    if own.keys() != arrays.keys() or any(own[name].shape != arrays[name].shape for name in own):
        raise ValueError("the adapters are another model's")
    set_peft_model_state_dict(network, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    return network.eval()


def _likelihoods(network: Any, rows: Sequence[Row]) -> Any:
    """Log-probability of each answer, shape [rows]; rows are filled up on the left, so that answers end together."""
    longest = max(len(row.prompt) + len(row.answer) for row in rows)
    tail = max(len(row.answer) for row in rows)
    ids, mask, told = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
    for place, row in enumerate(rows):
        tokens = row.prompt + row.answer
        ids[place, longest - len(tokens) :], mask[place, longest - len(tokens) :] = tokens, 1
        told[place, longest - len(row.answer) :] = 1
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    feed = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    with autocast():
        found = network(**{name: torch.from_numpy(one) for name, one in feed.items()}, logits_to_keep=tail + 1)
    logits = functional.log_softmax(found.logits[:, :-1].float(), dim=2)
    aims, there = torch.from_numpy(ids[:, -tail:]), torch.from_numpy(told[:, -tail:])
    return (logits.gather(2, aims[:, :, None])[:, :, 0] * there).sum(dim=1)
