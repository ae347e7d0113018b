"""Train the sample world: ``python -m studies.sample.training --work FOLDER``.

Stops at any moment and goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from studies.sample.training.settings import GPU, PROCESSOR
from studies.sample.training.stages import Workshop, trained_vae

STAGES = {"vae": trained_vae}
"""Every stage by its name, in order."""


def main() -> None:
    """Run every stage that is not done, or one of them with what it needs."""
    parser = argparse.ArgumentParser(description="Train the sample world.")
    parser.add_argument("--work", type=Path, required=True, help="folder of the training's files")
    parser.add_argument("--only", choices=STAGES, help="run this stage, and what it needs")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch on a processor")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    cuda = torch.cuda.is_available()
    shop = Workshop(
        folder=arguments.work, settings=GPU if cuda else PROCESSOR, device=torch.device("cuda" if cuda else "cpu")
    )
    for name, stage in STAGES.items():
        if arguments.only in (None, name):
            stage(shop)


if __name__ == "__main__":
    main()
