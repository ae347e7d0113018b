"""Train the sample world: ``python -m studies.sample.training --work FOLDER``.

Stops at any moment and goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from studies.sample.training.axes import MAIN, SECOND
from studies.sample.training.settings import GPU, PROCESSOR
from studies.sample.training.stages import Workshop, train_base, train_pair, trained_vae, training_latents

STAGES = ("vae", "base", "pair", "second")
"""In order; each needs those before it, but the second pair only the base."""


def train(shop: Workshop, last: str) -> None:
    """Run all that is not done, up to a stage; the second pair only if it is asked for."""
    if last == "vae":
        trained_vae(shop)
        return
    data = training_latents(shop)
    train_base(shop, data)
    if last != "base":
        train_pair(shop, data, SECOND if last == "second" else MAIN)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the sample world.")
    parser.add_argument("--work", type=Path, required=True, help="folder of the training's files")
    parser.add_argument("--to", choices=STAGES, default="pair", help="the last stage to run, after what it needs")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch on a processor")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    cuda = torch.cuda.is_available()
    shop = Workshop(
        folder=arguments.work, settings=GPU if cuda else PROCESSOR, device=torch.device("cuda" if cuda else "cpu")
    )
    train(shop, arguments.to)


if __name__ == "__main__":
    main()
