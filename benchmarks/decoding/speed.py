"""`limbeck bench decode` on GSM8K's first test questions, with more knobs.

    python benchmarks/decoding/speed.py --data FOLDER [--model smollm2-135m-instruct] [--against transformers llama-cpp]
        [--questions 40] [--k 10] [--tokens 64] [--rounds 2] [--prompt qa] [--width 4] [--few 4]
        [--out results/decoding-speed.json]

`--data` holds gsm8k/test.jsonl; `--model` is an asset's name or a GGUF file. docs/how-to/bench.md tells how the rivals
are installed. A rival that the result file already has with the same settings is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from limbeck.bench.base import PEERS, Job
from limbeck.bench.decode import bench_decode


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--few", type=int, default=4, help="questions of a rival that reads one branch at a time")
    parser.add_argument("--trial", type=int, default=10, help="questions on which variants are tried")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", choices=("qa", "chat"), default="qa", help="how questions are put")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=0, help="limbeck's questions at a time; 0 = as measured")
    parser.add_argument("--against", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--no-floor", action="store_true", help="leave out what is achieved of the floor")
    parser.add_argument("--out", type=Path, default=Path("results/decoding-speed.json"))
    told = parser.parse_args()
    lines = (told.data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()[: told.questions]
    asked = [json.loads(line)["question"] for line in lines]
    job = Job(
        told.k,
        told.tokens,
        told.rounds,
        width=told.width,
        trial=told.trial,
        few=told.few,
        floor=not told.no_floor,
        prompt=told.prompt,
    )
    found = bench_decode(
        told.model, asked, told.against, job=job, path=told.out, say=lambda line: print(line, file=sys.stderr)
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
