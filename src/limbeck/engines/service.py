"""Models behind a server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, llama-cpp-python, Ollama.

Opens one: with which key, whether the model is there, how much it reads. Knows nothing of rows or of what is asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limbeck.engines.pace import Patience
from limbeck.engines.server import CONTEXT, TOP, ServerEngine
from limbeck.engines.transport import Client, Query
from limbeck.errors import ConfigError, EngineError


@dataclass(frozen=True, slots=True)
class Service:
    """How one server is reached.

    Attributes:
        url: the base of its paths, such as http://127.0.0.1:8000/v1, without credentials.
        key_env: the environment variable that holds the key, or None; the key itself is kept nowhere.
        context: the longest row, in pieces; None: `CONTEXT`, or two thirds of the tokens that the server says it reads.
        top: log-probabilities that are asked for to score options.
        timeout: seconds for one answer.
        concurrency: questions under way at most.
    """

    url: str
    key_env: str | None = None
    context: int | None = None
    top: int = TOP
    timeout: float = 120.0
    concurrency: int = 8


def connect(model: str, *, proxies: bool = False, **settings: Any) -> tuple[ServerEngine, dict[str, Any]]:
    """An engine for a model of a running server, once the server has said that it has it. Sends no text.

    Args:
        model: its name: as the server reports it, or the last part of that, with or without `.gguf`.
        proxies: whether the environment's proxies may carry the questions.
        settings: the fields of `Service`.

    Returns:
        The engine, and what a run's lock file says of it: name, kind, source, licence and files.

    Raises:
        ConfigError: when the key's environment variable is not set or holds no key.
        EngineError: when the server does not answer or has no such model; the message names those it has.
    """
    service = Service(**settings)
    patience = Patience(timeout=service.timeout, concurrency=service.concurrency)
    client = Client(service.url, key=_key(service.key_env), proxies=proxies, patience=patience)
    told = _find(client, model)
    name, window = _bare(told["id"]), _window(told)
    context = service.context or (CONTEXT if window is None else max(1, min(CONTEXT, window * 2 // 3)))
    engine = ServerEngine(client, told["id"], name=name, context=context, top=service.top)
    return engine, {"name": name, "kind": "model", "source": client.server, "licence": None, "files": {}}


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {variable} of engine.server.key_env is not set")
    if not re.fullmatch(r"[!-~]+", key):
        raise ConfigError(f"the environment variable {variable} of engine.server.key_env holds no key: it has blanks")
    return key


def _find(client: Client, model: str) -> Mapping[str, Any]:
    (said,) = client.ask([Query("models")])
    told = said.get("data") if isinstance(said, dict) else None
    listed = told if isinstance(told, list) else []
    models = [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
    for one in models:
        if model in _names(one):
            return one
    known = ", ".join(json.dumps(_bare(one["id"])[:80]) for one in models[:10]) or "none"
    raise EngineError(f"{client.server} has no model {model!r}; it has: {known}", hint="Mend `model:` of the agent.")


def _names(told: Mapping[str, Any]) -> set[str]:
    aliases = told.get("aliases")
    names = {told["id"], *(one for one in (aliases if isinstance(aliases, list) else ()) if isinstance(one, str))}
    names |= {_bare(name) for name in names}
    return names | {name.removesuffix(end) for name in names for end in (".gguf", ":latest")}


def _bare(name: str) -> str:
    """A model's name without the folders of the server's machine; `owner/name` is no path."""
    return re.split(r"[/\\]", name)[-1] if re.match(r"[/\\~.]|[A-Za-z]:[/\\]", name) else name


def _window(told: Mapping[str, Any]) -> int | None:
    """Tokens that the model reads, where the server tells: vLLM and SGLang in one place, llama.cpp in another."""
    meta = told.get("meta")
    for value in (told.get("max_model_len"), meta.get("n_ctx") if isinstance(meta, dict) else None):
        if isinstance(value, int) and value > 0:
            return value
    return None
