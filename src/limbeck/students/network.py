"""An encoder with a mean over its tokens and a linear layer on top: taught on soft labels, asked, and exported.

Knows nothing of texts, tokenizers, folds or files. The seed, the batches and torch's number of threads decide every
bit of what comes out; torch's own random state is left as it was.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch.nn import functional

from limbeck.students.base import Floats
from limbeck.students.training import Recipe, autocast, batches, pace

Rows = Sequence[Sequence[int]]

HEAD_RATE = 1e-3  # of the new layer, which starts from nothing
LAYER_DECAY = 0.9  # of the learning rate from each layer to the one below it (Howard & Ruder 2018)
WEIGHT_DECAY, CLIP = 0.01, 1.0
ASKED = 64  # rows that are asked together
_NODE = re.compile(rb'(<layer id="(\d+)" name=")[^"]*"')


class Network(torch.nn.Module):  # type: ignore[misc]  # torch is not looked at
    """Trunk, mean over the tokens (Reimers & Gurevych 2019), dropout, linear layer.

    Args:
        trunk: a torch module of its own, with `config.hidden_size`.
        labels: how many.
    """

    def __init__(self, trunk: Any, labels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.drop = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(trunk.config.hidden_size, labels)
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        """Logits [rows, labels] of padded rows [rows, tokens]."""
        hidden = self.trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(hidden.dtype)
        return self.head(self.drop((hidden * mask).sum(1) / mask.sum(1)))

    def groups(self, rate: float) -> list[dict[str, Any]]:
        """Parameters with their learning rates. The embeddings stay: few labels reach few of their rows."""
        layers = _layers(self.trunk)
        names = {id(weight) for layer in layers for weight in layer.parameters()}
        self.trunk.get_input_embeddings().requires_grad_(False)
        rest = [weight for weight in self.trunk.parameters() if id(weight) not in names and weight.requires_grad]
        groups = [{"params": list(self.head.parameters()), "lr": HEAD_RATE}]
        for depth, layer in enumerate(reversed(layers)):
            groups.append({"params": list(layer.parameters()), "lr": rate * LAYER_DECAY**depth})
        return [*groups, {"params": rest, "lr": rate * LAYER_DECAY ** len(layers)}]


def teach(trunk: Any, rows: Rows, targets: Floats, *, weights: Floats, recipe: Recipe, seed: int) -> Network:
    """A network that learned soft labels by AdamW (Loshchilov & Hutter 2019), with warm-up and linear decay.

    Args:
        trunk: a copy of its own; it is changed.
        rows: tokens of each text.
        targets: probabilities over the labels, shape [rows, K].
        weights: how much each row counts, shape [rows], > 0.
        recipe: how.
        seed: of the new layer, the order and the dropout.
    """
    rng = np.random.default_rng(seed)
    goal = torch.tensor(targets, dtype=torch.float32)
    shares = torch.tensor(weights / weights.mean(), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = Network(trunk, targets.shape[1])
        network.train()
        groups = network.groups(recipe.rate)
        learned = [weight for group in groups for weight in group["params"]]
        optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)
        total = recipe.epochs * -(-len(rows) // recipe.batch)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, total))
        for _ in range(recipe.epochs):
            for batch in batches([len(row) for row in rows], recipe.batch, rng=rng):
                with autocast():
                    logits = network(*_padded([rows[i] for i in batch]))
                losses = -(goal[batch] * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
                optimiser.zero_grad()
                ((losses * shares[batch]).sum() / recipe.batch).backward()
                torch.nn.utils.clip_grad_norm_(learned, CLIP)
                optimiser.step()
                scheduler.step()
    network.eval()
    return network


def ask(network: Network, rows: Rows) -> Floats:
    """Logits of the rows, shape [rows, K]."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = np.empty((len(rows), network.head.out_features))
    with torch.inference_mode(), autocast():
        for start in range(0, len(rows), ASKED):
            part = order[start : start + ASKED]
            found[part] = network(*_padded([rows[i] for i in part])).float().numpy()
    return found


def export(network: Network) -> tuple[bytes, bytes]:
    """The network as an OpenVINO model: its graph (XML) and its weights in float16."""
    example = _padded([[1, 2, 3], [1, 2]])
    with warnings.catch_warnings():
        # torch.jit.trace, by which OpenVINO reads a network, is deprecated; torch.export takes ten times as long.
        warnings.simplefilter("ignore")
        model = ov.convert_model(network, example_input=example)
    for name, port in zip(("input_ids", "attention_mask"), model.inputs, strict=True):
        port.tensor.set_names({name})
    model.set_friendly_name("student")
    model.reshape({port: [-1, -1] for port in model.inputs})
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(model, f"{folder}/model.xml", compress_to_fp16=True)
        graph, weights = Path(folder, "model.xml").read_bytes(), Path(folder, "model.bin").read_bytes()
    # OpenVINO numbers its nodes through a process; equal networks shall be equal files.
    return _NODE.sub(rb'\1node_\2"', graph), weights


def _layers(trunk: Any) -> list[Any]:
    """The trunk's layers from the bottom: its longest list of modules."""
    lists = [module for module in trunk.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=()))


def _padded(rows: Rows) -> tuple[Any, Any]:
    longest = max(map(len, rows))
    ids, mask = (np.zeros((len(rows), longest), np.int64) for _ in range(2))
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
