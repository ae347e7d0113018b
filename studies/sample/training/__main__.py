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
from studies.sample.training.stages import (
    Workshop,
    train_base,
    train_classifier,
    train_clip,
    train_decoder,
    train_pair,
    trained_vae,
    training_latents,
)

STAGES = ("vae", "base", "pair", "all", "second")
"""How far to go. ``all`` is everything that ships, and ``second`` the second pair too."""


def train(shop: Workshop, last: str) -> None:
    """Run all stages that are not done, up to a last one."""
    wanted = STAGES[: STAGES.index(last) + 1]
    vae = trained_vae(shop)
    if "base" in wanted:
        train_base(shop, training_latents(shop, vae))
        for name, pair in (("pair", MAIN), ("second", SECOND)):
            if name in wanted:
                train_pair(shop, training_latents(shop, vae, pair.axes), pair)
    if "all" in wanted:
        train_decoder(shop, vae)
        train_clip(shop, vae)
        train_classifier(shop, vae)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where and how to work."""
    parser.add_argument("--work", type=Path, required=True, help="folder of the training's files")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch on a processor")


def workshop(arguments: argparse.Namespace) -> Workshop:
    """Return the workshop that the options say, on a GPU where there is one."""
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    cuda = torch.cuda.is_available()
    return Workshop(
        folder=arguments.work, settings=GPU if cuda else PROCESSOR, device=torch.device("cuda" if cuda else "cpu")
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the sample world.")
    add_machine(parser)
    parser.add_argument("--to", choices=STAGES, default="all", help="the last stage to run, after what it needs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(workshop(arguments), arguments.to)


if __name__ == "__main__":
    main()
