"""What a study asks of memory: its models, its largest pictures, what its knobs move, its scorers' encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.devices import device_of
from engine.errors import CheckpointError
from engine.files import file_kind
from engine.footprint.demand import Demand
from engine.prompts.parts import prompt_parts
from engine.shots.shot import Shot
from studies.inputs.moved import moved_parents
from studies.studyfile.spec import StudySpec

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.settings import PanelSettings


def expected(spec: StudySpec) -> Demand | None:
    """Return what a study asks of memory on its device; None where a model cannot be opened, as its engine will say.

    Raises:
        ScorerError: a scorer is unknown.
    """
    from engine.checkpoints.checkpoint import open_checkpoint

    try:
        models = {letter: open_checkpoint(path) for letter, path in spec.merge.models.items()}
    except CheckpointError:
        return None
    settings = spec.scoring.panel_settings(spec.target, spec.shots)
    return demand_of(spec, models, settings, is_gpu=device_of(spec.rendering.device).type == "cuda")


def demand_of(spec: StudySpec, models: Mapping[str, Checkpoint], settings: PanelSettings, *, is_gpu: bool) -> Demand:
    """Return what a study asks of memory.

    Args:
        spec: the study.
        models: by letter, opened.
        settings: of the panel, whose encoders take memory.
        is_gpu: whether the device is a GPU.
    """
    rendering, shots = spec.rendering, spec.shots
    width, height = max((_size(shot) for shot in shots.every), key=lambda size: size[0] * size[1])
    automatic = "fp16" if is_gpu else "fp32"
    drawn = min(spec.search.shots_per_trial or len(shots.trials), len(shots.trials))
    files = {model.path.resolve() for model in models.values()}
    return Demand(
        widths=models["A"].widths,
        precision=automatic if rendering.precision == "auto" else rendering.precision,
        width=width,
        height=height,
        pictures=min(drawn, _most_at_once(width * height, is_gpu=is_gpu)),
        rows=max(_rows(shot) for shot in shots.passes),
        parents=moved_parents(spec.search.space, models, vae=rendering.merges_vae),
        parent_count=len(files),
        scorers=encoder_bytes(settings),
        asked=rendering.memory,
        device_sharers=rendering.device_sharers,
        ram_sharers=rendering.ram_sharers,
    )


def _size(shot: Shot) -> tuple[int, int]:
    """Width and height of the largest of a shot's passes, and of its picture."""
    sizes = [(one.width, one.height) for one in shot.passes]
    return max([*sizes, shot.picture_size], key=lambda size: size[0] * size[1])


def _rows(shot: Shot) -> int:
    """Rows of the UNet's batch for a shot: one for each part of its prompt, and one for the negative."""
    return len(prompt_parts(shot.prompt)) + 1


def _most_at_once(pixels: int, *, is_gpu: bool) -> int:
    import torch

    from engine.rendering.batches import most_at_once

    return most_at_once(pixels, torch.device("cuda" if is_gpu else "cpu"))


def encoder_bytes(settings: PanelSettings) -> int:
    """Return the bytes of all encoders of a panel that are known, whose files are taken to be in float32."""
    from scorers.catalogue import lookup as catalogue
    from scorers.panel.registry import sources_of

    names = [name for name in settings.weights if not catalogue.is_plugin(name) and catalogue.is_known(name)]
    files = [one.weights for one in sources_of(settings, names).encoders.values() if file_kind(one.weights) == "file"]
    whole = sum(path.stat().st_size for path in files)
    return whole if settings.precision == "float32" else whole // 2
