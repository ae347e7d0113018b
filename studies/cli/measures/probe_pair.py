"""``recipe-search probe A B``: two checkpoints without a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.cli.pictures.picture_options import warn_of_prompts
from studies.terminal import console

if TYPE_CHECKING:
    from engine.architecture.widths import FamilyName
    from engine.shots.shot import Shot
    from studies.after_recipe.probe.designs.plan import ProbeOptions

SETTINGS = ("negative", "width", "height", "steps", "sampler", "cfg")
"""Options that are settings of a shot."""
FIRST_SEED = 1
"""Seed of every prompt's first picture."""


def run_pair(a: Path, b: Path, options: ProbeOptions, given: Mapping[str, Any]) -> None:
    """Probe two checkpoints, and print and write what was found.

    Args:
        a: the first checkpoint.
        b: the second one.
        options: what is moved, and how precisely.
        given: the options of pictures that were given, by name.
    """
    from studies.after_recipe.probe.designs.cost import cost_text
    from studies.after_recipe.probe.measure import probe_renders
    from studies.after_recipe.probe.outputs import write_outputs
    from studies.after_recipe.probe.pair import CheckpointPair, family_of_pair, opened_pair, pair_plan
    from studies.cli.measures.probe_printed import print_result
    from studies.pictures.sources import file_hashes

    models, vae, device = {"A": a, "B": b}, given.get("vae"), given.get("device", "auto")
    family = family_of_pair(models)
    shots = pair_shots(given, family)
    warn_of_prompts(shots)
    pair = CheckpointPair(
        models=models, hashes=file_hashes(models), family=family, folder=given.get("out"), vae=vae, device=device
    )
    plan, out = pair_plan(pair, shots, options), console()
    click.echo(cost_text(plan, a, device))
    with opened_pair(pair, plan) as renders:
        result = probe_renders(renders, out, precision=options.precision)
        result = write_outputs(pair.place, result, renders)
    print_result(result, pair.place)


def pair_shots(given: Mapping[str, Any], family: FamilyName) -> list[Shot]:
    """Return a shot of every prompt.

    Args:
        given: options of pictures.
        family: of the checkpoints, which decides the usual size.

    Raises:
        StudyError: there is no prompt.
        RenderError: a setting is out of its range.
    """
    from engine.shots.shot import Shot
    from studies.after_recipe.probe.pair import SIZES
    from studies.errors import StudyError

    texts = given.get("texts", ())
    if not texts:
        raise StudyError("two checkpoints need prompts", remedy='add --prompt "a cat on the beach", best several')
    settings: dict[str, Any] = {"width": SIZES[family], "height": SIZES[family]}
    settings |= {name: given[name] for name in SETTINGS if name in given}
    return [Shot(prompt=text, seed=FIRST_SEED, **settings) for text in dict.fromkeys(texts)]
