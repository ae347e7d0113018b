"""Which instruction sets torch can be told to use on this processor: ``python -m tests.engine.merging.capabilities``.

``ATEN_CPU_CAPABILITY`` chooses one for a process. It must not name one that the processor lacks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import torch

FUSING = ("AVX2", "AVX512")
"""Those with which torch.lerp and torch.randn compute as on the machine where the golden merges were made."""


def current() -> str:
    """The one that torch uses in this process, in torch's own word."""
    return torch.backends.cpu.get_cpu_capability()


@cache
def available() -> tuple[str, ...]:
    """All of them, in the words of the variable, the plainest first."""
    free = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    ask = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    best = subprocess.run([sys.executable, "-c", ask], env=free, capture_output=True, text=True, check=True)
    ladder = ("default", "avx2", "avx512")
    highest = best.stdout.strip().lower()
    return ladder[: ladder.index(highest) + 1] if highest in ladder else ("default",)


if __name__ == "__main__":
    print(*available())
