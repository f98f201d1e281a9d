"""The child process in which a GGUF file becomes an OpenVINO model: whatever the native reader does, it ends here.

    python -m limbeck.engines.converter MODEL.gguf MEMORY_LIMIT

writes `openvino_model.xml` and its weights beside the file. MEMORY_LIMIT is in bytes, 0 = none.
Knows nothing of where the file comes from or of whether the result is right.
"""

from __future__ import annotations

import sys

import openvino_genai

if sys.platform != "win32":
    import resource


def main(source: str, memory: int) -> None:
    """Convert, within so many bytes of address space where the system can limit it."""
    if sys.platform != "win32" and memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    openvino_genai.LLMPipeline(source, "CPU", enable_save_ov_model=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
