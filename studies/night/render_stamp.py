"""What kept renders depend on beside the recipe and the shots."""

from __future__ import annotations

from collections.abc import Mapping

from studies.inputs.assets import embedding_hashes, upscaler_hashes
from studies.inputs.models import vae_hashes
from studies.studyfile.spec import Merge, Rendering, Storage, StudyShots


def render_stamp(
    storage: Storage, merge: Merge, rendering: Rendering, shots: StudyShots, models: Mapping[str, str], device: str
) -> str:
    """Return a text of everything that pictures depend on beside recipe and shots; `device` is its kind."""
    return "\n".join(
        [
            *models.values(),
            *embedding_hashes(rendering, shots).values(),
            *(f"vae {digest}" for digest in vae_hashes(rendering, storage).values()),
            *([rendering.prediction] if rendering.prediction != "auto" else []),
            *([f"ztsnr {rendering.ztsnr}"] if rendering.ztsnr != "auto" else []),
            *([f"vae {precision}"] if (precision := rendering.memory.vae_precision) != "auto" else []),
            *upscaler_hashes(rendering, shots).values(),
            merge.export_dtype,
            rendering.precision,
            device,
        ]
    )
