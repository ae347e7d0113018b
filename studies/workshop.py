"""From a recipe to its features: build, render, look, keep; engine, panel and render store, open together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from engine.recipe import Recipe
from engine.shots import Shot
from studies import sheets
from studies.embeddings import embedding_hashes
from studies.renders import RenderStore
from studies.studyfile import StudySpec
from studies.upscalers import upscaler_hashes

if TYPE_CHECKING:
    import torch

    from engine.session import Engine
    from scorers.features import Features
    from scorers.panel import Panel

SHEET = "sheet.webp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one recipe came to."""

    features: Features
    sheet: Path
    """Contact sheet of the pictures."""
    seconds: dict[str, float]
    """Time of ``build``, ``render`` and ``look``; empty if everything was kept from before."""


class Workshop:
    """Everything that turns a recipe into features on one device."""

    def __init__(self, engine: Engine, panel: Panel, renders: RenderStore) -> None:
        """Use ``open`` instead, unless the parts are open already."""
        self.engine = engine
        self.panel = panel
        self.renders = renders

    @classmethod
    def open(cls, spec: StudySpec, models: dict[str, str]) -> Self:
        """Load the parents and the encoder.

        Args:
            spec: the study.
            models: SHA-256 of every model file, by letter.

        Raises:
            EngineError: a checkpoint or the VAE cannot be used.
            ScorerError: the encoder or the references cannot be used.
        """
        from engine.session import Engine
        from scorers.panel import Panel

        engine = Engine.open(
            spec.models,
            device=spec.device,
            precision=spec.precision,
            round_to=spec.export_dtype,
            embeddings=spec.embeddings,
            prediction=spec.prediction,
            vae=spec.vae,
            upscalers=spec.upscalers,
        )
        panel = Panel.open(spec.panel_settings(), device=str(engine.device))
        stamp = "\n".join(
            [
                *models.values(),
                *embedding_hashes(spec).values(),
                *(f"vae {digest}" for digest in vae_hash(spec).values()),
                *([spec.prediction] if spec.prediction != "auto" else []),
                *upscaler_hashes(spec).values(),
                panel.features_version,
                spec.export_dtype,
                spec.precision,
                engine.device.type,
            ]
        )
        return cls(engine, panel, RenderStore(spec.folder, stamp))

    def make(self, recipe: Recipe, shots: Sequence[Shot], *, pictures: bool = False) -> Work:
        """Build and render a recipe, unless its renders of these shots are kept already.

        Args:
            recipe: what to build.
            shots: what to render.
            pictures: keep every single picture as well as the contact sheet.

        Raises:
            RenderError: a picture came out as NaN or infinity.
        """
        place = self.renders.place(recipe, shots)
        kept = self.renders.load(recipe, shots)
        if kept is not None and (not pictures or self.renders.pictures(recipe, shots) is not None):
            return Work(features=kept, sheet=place / SHEET, seconds={})
        started = time.perf_counter()
        self.engine.build(recipe)
        built = time.perf_counter()
        images = self.engine.render(shots)
        rendered = time.perf_counter()
        features = self.panel.features(images, [shot.prompt for shot in shots], [shot.seed for shot in shots])
        looked = time.perf_counter()
        place.mkdir(parents=True, exist_ok=True)
        small = as_bytes(images)
        sheets.grid(small, place / SHEET)
        if pictures:
            self.renders.keep_pictures(recipe, shots, small)
        self.renders.keep(recipe, shots, features)  # last: what is kept is complete
        return Work(
            features=features,
            sheet=place / SHEET,
            seconds={"build": built - started, "render": rendered - built, "look": looked - rendered},
        )

    def close(self) -> None:
        """Free the device."""
        self.engine.close()


def as_bytes(images: torch.Tensor) -> list[sheets.Picture]:
    """``[n, 3, h, w]`` float 0..1 to ``(h, w, 3)`` uint8 pictures."""
    whole = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    return list(whole.cpu().numpy())


def model_hashes(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every model file, by letter, remembered beside the study."""
    from studies.hashes import hashes_of

    return hashes_of(spec.models, spec.folder / "hashes.json")


def vae_hash(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of the VAE that a study chose, under its key, remembered beside the study; empty where it chose none."""
    from studies.hashes import hashes_of

    return hashes_of({"render.vae": spec.vae} if spec.vae else {}, spec.folder / "hashes.json")
