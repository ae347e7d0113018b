"""A recipe as lines to set and paste in SuperMerger (AUTOMATIC1111 extension), dialect ``classic``."""

from __future__ import annotations

from engine.layout import UNET, self_reach
from engine.recipe_text import number
from engine.steps import AdjustStep, MergeStep, SelfStep

_ADJUSTED = (f"{UNET}input_blocks.0.0.", f"{UNET}out.")
_TITLE = (
    "SuperMerger, dialect classic (SD1; June to November 2025, commit c60e6f3): "
    "time_embed goes with OUT11, text encoder and VAE go with BASE"
)


def lines(merge: MergeStep, self_step: SelfStep | None, adjust: AdjustStep | None) -> list[str]:
    """One run for the merge, and a second on its result for a self step.

    Adjust goes with the first run, or with the second where both steps touch a tensor, since it acts last.
    """
    values = f"  Adjust: {','.join(map(number, adjust.values))}" if adjust else ""
    late = bool(values) and self_step is not None and _meets_adjust(self_step)
    found = [_TITLE, "", "Run 1", *_run(merge.models, "normal")]
    found += ["  use MBW: on", f"  weights (BASE first): {','.join(map(number, merge.ratios))}"]
    found += [values] if values and not late else []
    if self_step:
        found += ["", "Run 2, on the model that run 1 saved"]
        found += _run(("the result of run 1", "the result of run 1"), "self")
        found += ["  use MBW: off", "  alpha: 1", f"  elemental merge: {elemental(self_step)}"]
        found += [values] if late else []
    return found


def _run(models: tuple[str, str], calculation: str) -> list[str]:
    return [
        f"  Model A: {models[0]}",
        f"  Model B: {models[1]}",
        "  merge mode: Weight sum",
        f"  calculation mode: {calculation}",
        "  save: safetensors, fp16",
    ]


def _meets_adjust(step: SelfStep) -> bool:
    return any(key.startswith(_ADJUSTED) for site, _ in step.factors for key in self_reach(site))


def elemental(step: SelfStep) -> str:
    """The elemental text, ``OUT05 OUT08:attn1:0.88``.

    Blocks with the same rules share their segments; the order within a block is kept, since the last rule wins.
    """
    rules: dict[str, tuple[tuple[str, float], ...]] = {}
    for site, factor in step.factors:
        rules[site.block] = (*rules.get(site.block, ()), (site.element, factor))
    blocks: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for block, rule in rules.items():
        blocks.setdefault(rule, []).append(block)
    segments = [f"{' '.join(names)}:{element}:{number(f)}" for rule, names in blocks.items() for element, f in rule]
    return ",".join(segments)
