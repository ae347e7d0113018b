"""Results of situations, settings and probe, as the values that their commands write, with small pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from engine.shots.hires import Hires
from studies.results.folklore import AGREES, DISAGREES, OPEN, Folklore, FolkloreAnswer, write_folklore
from studies.results.probe import (
    ONE,
    SCREEN,
    EffectColumn,
    KnobEffect,
    ProbeBase,
    ProbedModel,
    ProbedShot,
    ProbeMethod,
    ProbeResult,
    ProbeRun,
    write_probe,
)
from studies.results.settings import (
    LookBack,
    PictureSettings,
    SettingsDifference,
    SettingsResult,
    SettingsStep,
    TriedValue,
)
from studies.results.settings_file import result_folder, write_settings
from studies.results.situations import (
    BETTER,
    LEVEL,
    WORD_LOST,
    WORSE,
    WORSE_PICTURES,
    WORSE_THAN_ONE,
    ExaminedRecipe,
    RivalDifference,
    SeedDiversity,
    ShownPicture,
    SituationResult,
    SituationsResult,
    WeakSpot,
    WordFidelity,
    situations_folder,
    write_situations,
)
from tests.studies.after_recipe.probe.made_up import knobs_of

SCRIPT = "<script>alert('x')</script>"
"""Stands in names and sentences, which may come from anybody's file."""
RECIPE = f'format = 1\ndialect = "classic"\nfamily = "sd1"\n\n[[steps]]\nkind = "merge"\nalpha = {[0] * 26}\n'
"""Of what the settings are for."""
KEY = "0123456789ab"
"""Of what was examined."""
RIVALS = ("A", "B", "FLAT_50")
COLUMNS = ("pixels", "style", "fidelity", "colour", "warmth", "contrast", "detail", "composition")


def write_results(folder: Path) -> None:
    """Write all three results into a study's folder."""
    write_made_situations(folder)
    write_made_settings(folder)
    write_made_probe(folder)


def _picture(path: Path, width: int, height: int) -> None:
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 255 // height, columns * 255 // width, np.full_like(rows, 120)], 2).astype(np.uint8)
    Image.fromarray(pixels).save(path)


# ------------------------------------------------------------------------------------------------------ situations


def _differences(*means: float, half: float = 0.3) -> tuple[RivalDifference, ...]:
    return tuple(
        RivalDifference(rival=rival, mean=mean, low=mean - half, high=mean + half, pictures=8)
        for rival, mean in zip(RIVALS, means, strict=True)
    )


def made_situations() -> SituationsResult:
    """Twelve situations: one worse and with a lost word, one worse than one parent, three better."""
    words = {
        "subject": ("a cat", "a house", "a tree in the rain with a very long description of everything around it"),
        "colour": ("red", "green", "blue"),
        "light": ("sun", "lamp", SCRIPT),
        "place": ("the city", "the forest", "the beach"),
    }
    means = {"red": (-0.9, -0.7, -0.6), "a cat": (0.8, 0.6, 0.2), "sun": (0.5, 0.5, 0.1), "lamp": (-0.6, 0.1, 0.0)}
    verdicts = {"red": WORSE, "a cat": BETTER, "sun": BETTER, "lamp": WORSE_THAN_ONE}
    situations = [
        SituationResult(
            aspect=aspect,
            word=word,
            prompt=f"a picture of {word}",
            pictures=8,
            verdict=verdicts.get(word, LEVEL),
            differences=_differences(*means.get(word, (0.1, -0.05, 0.02))),
            fidelity=WordFidelity(
                obeyed=0.125 if word == "red" else 1.0,
                rivals=dict.fromkeys(RIVALS, 1.0),
                differences=_differences(0.0, 0.0, 0.0, half=0.01),
                words=3,
                lost=word == "red",
                instead="orange" if word == "red" else "",
            )
            if aspect == "colour"
            else None,
            diversity=SeedDiversity(
                spread=0.2,
                rivals=dict.fromkeys(RIVALS, 0.25),
                differences=_differences(-0.05, -0.05, -0.05, half=0.02),
                too_alike=word == "the city",
            ),
            broken={"B": 1} if word == "blue" else {},
        )
        for aspect, some in words.items()
        for word in some
    ]
    return SituationsResult(
        study="small",
        subject=ExaminedRecipe(label="finalist 1", key=KEY + "cdef"),
        rivals=tuple(ExaminedRecipe(label=label, key=f"{n:016x}") for n, label in enumerate(RIVALS)),
        parents=("A", "B"),
        suite="sample",
        suite_key="sample",
        situations=tuple(situations),
        weak_spots=(
            WeakSpot(
                aspect="colour",
                word="red",
                kind=WORD_LOST,
                sentence=f"red is obeyed in 1 of 8 pictures, by A in 8 {SCRIPT}",
                amount=2.0,
                shown=(ShownPicture(prompt="a red cat", seed=5),),
                picture="weak-1.png",
            ),
            WeakSpot(aspect="light", word="lamp", kind=WORSE_PICTURES, sentence="worse by lamp", amount=0.6),
        ),
        overall=_differences(0.4, 0.3, -0.01, half=0.1),
        diversity=_differences(-0.2, -0.1, 0.0, half=0.15),
        comparisons=36,
        pictures=384,
        most_pictures=600,
        remarks=("the encoder reads texts in English",),
        overview="overview.png",
    )


def write_made_situations(folder: Path) -> None:
    """Write the examination and its pictures."""
    result = made_situations()
    place = write_situations(folder, result)
    assert place == situations_folder(folder, result.key)
    _picture(place / "weak-1.png", 640, 320)
    _picture(place / "overview.png", 800, 1200)


# -------------------------------------------------------------------------------------------------------- settings


def _value(label: str, settings: PictureSettings, state: str, mean: float | None, **more: object) -> TriedValue:
    difference = None if mean is None else SettingsDifference(mean=mean, low=mean - 0.2, high=mean + 0.2, pictures=8)
    value = TriedValue(label=label, settings=settings, state=state, against_best=difference, pictures=8)  # pyright: ignore[reportArgumentType]
    return replace(value, **more)


def made_settings() -> SettingsResult:
    """Samplers of which one is told, steps that cannot be told from each other, an axis where nothing was tried."""
    hires = Hires(upscaler="Latent", scale=2.0, denoise=0.6)
    start = PictureSettings(
        sampler="Euler a", schedule="Automatic", cfg=7.0, steps=8, clip_skip=1, width=64, height=64, hires=hires
    )
    final = replace(start, sampler="DDIM", steps=6)
    samplers = (
        _value("Euler a", start, "worse", -0.6, is_start=True, cost=8.0, seconds=0.31),
        _value("DDIM", replace(start, sampler="DDIM"), "best", None, chosen=True, cost=8.0, seconds=0.3),
        _value("Heun", replace(start, sampler="Heun"), "open", -0.05, cost=15.0, seconds=0.55),
        TriedValue(label=f"Nothing {SCRIPT}", settings=None, state="skipped", reason=f"no such sampler {SCRIPT}"),
    )
    steps = (
        _value("8", replace(final, steps=8), "best", None, is_start=True, cost=8.0),
        _value("6", final, "equal", -0.01, chosen=True, cost=6.0, seconds=0.2),
    )
    return SettingsResult(
        study="small",
        subject="pin 1",
        subject_key=KEY,
        recipe=RECIPE,
        start=start,
        final=final,
        steps=(
            SettingsStep(axis="Sampler", values=samplers, confidence=0.95, most_pictures=16),
            SettingsStep(axis="VAE", values=(), reason="the study has one VAE"),
            SettingsStep(axis="Steps", values=steps, confidence=0.95, most_pictures=16),
        ),
        look_back=(
            LookBack(
                step=SettingsStep(axis="Sampler", values=(*samplers[:2],), confidence=0.95, most_pictures=16),
                holds=True,
            ),
        ),
        margin=0.1,
        pictures=88,
        rendered=40,
        shots="8 prompts and seeds of the search",
        notes=("differences are in units of the objective",),
        finished=True,
    )


def write_made_settings(folder: Path) -> None:
    """Write the settings and the grid of the samplers."""
    write_settings(folder, made_settings())
    _picture(result_folder(folder, KEY) / "grid-01-sampler.png", 700, 420)


# ----------------------------------------------------------------------------------------------------------- probe


def made_probe() -> ProbeResult:
    """All blocks and a few sites and Adjust values, one at a time and by a screening; some effects clear."""
    knobs = knobs_of(sites=("OUT11:attn1",), fields=("CONT",))
    columns = tuple(
        EffectColumn(
            name=name,
            unit="8-bit steps" if name in ("pixels", "contrast") else "cosines",
            signed=name not in ("pixels", "style", "composition"),
            seeds=None if name == "fidelity" else 0.4,
            floor={ONE: 0.02, SCREEN: 0.05},
        )
        for name in COLUMNS
    )
    effects = [
        _effect(knob.name, column, row, place, method)
        for method in (ONE, SCREEN)
        for row, knob in enumerate(knobs)
        for place, column in enumerate(columns)
        if method == ONE or knob.kind == "block"
    ]
    return ProbeResult(
        study="small",
        family="SD1",
        models=tuple(ProbedModel(letter=one, name=f"{one}.safetensors", sha256="0" * 64) for one in "AB"),
        base=ProbeBase(label="FLAT_50", recipe=""),
        knobs=knobs,
        columns=columns,
        effects=tuple(effects),
        shots=(ProbedShot(prompt="a red cat", seed=1),),
        runs=(
            ProbeRun(method=ONE, recipes=57, shots=4, pictures=228),
            ProbeRun(method=SCREEN, recipes=56, shots=4, pictures=224),
        ),
        recipes=(),
        strips={"OUT03": "OUT03.png", "IN00": "IN00.png", "self:OUT11:attn1": "self-OUT11-attn1.png"},
        level=0.05,
        drawn=452,
        seconds=41.0,
        remarks=(f"the noise of the prompt was not measured {SCRIPT}",),
    )


def _effect(knob: str, column: EffectColumn, row: int, place: int, method: ProbeMethod) -> KnobEffect:
    size = ((row * 7 + place * 5) % 11) / 10
    effect = size * (-1 if column.signed and (row + place) % 2 else 1)
    missing = knob == "M00" and place == 0
    return KnobEffect(
        knob=knob,
        column=column.name,
        method=method,
        low=-effect / 2,
        high=effect / 2,
        effect=None if missing else effect,
        standard_error=0.05,
        ratio=None if column.seeds is None else size / column.seeds,
        p=0.001 if size > 0.5 else 0.5,
        clear=size > 0.5,
    )


def made_folklore() -> Folklore:
    """A claim for each answer."""
    return Folklore(
        answers=(
            FolkloreAnswer(claim="OUT04 changes style", source="a card", address="", answer=AGREES, reason="style 2.5"),
            FolkloreAnswer(claim=f"IN01 {SCRIPT}", source=SCRIPT, address=SCRIPT, answer=DISAGREES, reason="colour"),
            FolkloreAnswer(claim="M00 decides", source="many", address="", answer=OPEN, reason="not told from noise"),
        ),
        remark="Another pair may answer otherwise.",
    )


def write_made_probe(folder: Path) -> None:
    """Write the probe, its strips, and the answers to what people say."""
    result = made_probe()
    write_probe(folder, result)
    write_folklore(folder, made_folklore())
    for name in result.strips.values():
        _picture(folder / "probe" / name, 400, 150)
