"""A real llama.cpp server as a process: `python llama_server.py MODEL.gguf` prints its address and serves."""

from __future__ import annotations

import sys

import xllamacpp


def main(model: str) -> None:
    """Serve the model on a free port of loopback until standard input closes."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.n_ctx, parameters.n_parallel = 8192, 4
    parameters.cpuparams.n_threads = 2
    parameters.port = 0
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"\naddress {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
