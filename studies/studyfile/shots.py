"""The shots that the tables of a study file describe: prompts times seeds, made as `[render]` says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine.errors import Place, Problems
from engine.shots.hires import Hires
from engine.shots.options import USUAL, PictureOptions
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.studyfile.spec import StudyShots
from studies.studyfile.tables.schema import HiresTable, PromptTable, ProofTable, RenderTable, StudyTables
from studies.studyfile.wildcards import ShotPlaces, with_choices

PlacedShots = list[tuple[Shot, ShotPlaces]]
"""Shots, and where their texts stand in the study file."""


def study_shots(tables: StudyTables, wildcards: Path | None) -> StudyShots:
    """The shots of the trials and of the proof.

    Args:
        tables: the tables of the study file.
        wildcards: the folder of lists that choices in prompts are decided with; None: nothing is decided.

    Raises:
        StudyError: the choices cannot be made, or make the proof show what the trials show.
    """
    shots = _shots(tables.prompts, tables.render)
    proof_shots = _proof_shots(tables.prompts, tables.proof, tables.render)
    weighted = partial(
        StudyShots,
        trial_weights=tuple(prompt.weight for prompt in tables.prompts for _ in prompt.seeds),
        proof_weights=_proof_weights(tables.prompts, tables.proof),
    )
    if wildcards is None:
        return weighted(trials=tuple(shot for shot, _ in shots), proof=tuple(shot for shot, _ in proof_shots))
    problems, lost = Problems(), Problems()

    def drawn(placed: PlacedShots) -> tuple[Shot, ...]:
        found: list[Shot] = []
        for shot, places in placed:
            with problems.collecting():
                found.append(with_choices(shot, folder=wildcards, seed=tables.study.seed, places=places, lost=lost))
        return tuple(found)

    trials, proof = drawn(shots), drawn(proof_shots)
    problems.raise_as(StudyError)
    shared = {shot.label for shot in trials if shot in proof}
    if shared:
        raise StudyError(
            f"proof: the choices of prompts give shots that [[prompts]] gives too: {', '.join(sorted(shared))}",
            remedy="use seeds that no [[prompts]] has",
        )
    return weighted(trials=trials, proof=proof, lost_wildcards=tuple(lost.found))


def _shots(prompts: Sequence[PromptTable], render: RenderTable) -> PlacedShots:
    return [
        (shot_of(prompt.text, prompt.negative, seed, render), _places(("prompts", number, "text"), prompts, number))
        for number, prompt in enumerate(prompts)
        for seed in prompt.seeds
    ]


def _proof_shots(prompts: Sequence[PromptTable], proof: ProofTable, render: RenderTable) -> PlacedShots:
    numbers = {prompt.text: number for number, prompt in enumerate(prompts)}
    placed: PlacedShots = []
    for number, text in enumerate(proof_texts(prompts, proof)):
        own = numbers.get(text)
        place: Place = ("proof", "prompts", number) if proof.prompts is not None else ("prompts", own or 0, "text")
        negative = prompts[own].negative if own is not None else None
        places = _places(place, prompts, own)
        placed += [(shot_of(text, negative, seed, render), places) for seed in proof.seeds]
    return placed


def _places(text: Place, prompts: Sequence[PromptTable], number: int | None) -> ShotPlaces:
    """Where a shot's texts stand: its prompt at a place, its negative beside a prompt or under [render]."""
    own: Place = ("render", "negative")
    if number is not None and prompts[number].negative is not None:
        own = ("prompts", number, "negative")
    return ShotPlaces(prompt=text, negative=own)


def _proof_weights(prompts: Sequence[PromptTable], proof: ProofTable) -> tuple[float, ...]:
    """The weight of every shot of the proof; a text of the trials has theirs unless the proof says otherwise."""
    known, texts = {prompt.text: prompt.weight for prompt in prompts}, proof_texts(prompts, proof)
    weights = proof.weights or [known.get(text, 1.0) for text in texts]
    return tuple(weight for weight in weights for _ in proof.seeds)


def proof_texts(prompts: Sequence[PromptTable], proof: ProofTable) -> list[str]:
    """Return what the proof shows: its own prompts, or those of the trials, each once."""
    return proof.prompts if proof.prompts is not None else list(dict.fromkeys(prompt.text for prompt in prompts))


def shot_of(text: str, negative: str | None, seed: int, render: RenderTable) -> Shot:
    """One shot; without a negative of its own it has that of `[render]`.

    Raises:
        RenderError: `[render.hires]` cannot be made of what `[render]` says.
    """
    return Shot(
        prompt=text,
        negative=render.negative if negative is None else negative,
        seed=seed,
        width=render.width,
        height=render.height,
        steps=render.steps,
        cfg=render.cfg,
        sampler=render.sampler,
        schedule=render.schedule,
        clip_skip=render.clip_skip,
        eta=render.eta,
        s_noise=render.s_noise,
        ensd=render.ensd,
        rng=render.rng,
        hires=_hires_of(render.hires) if render.hires else None,
        options=PictureOptions(**render.options.model_dump()) if render.options else USUAL,
    )


def _hires_of(table: HiresTable) -> Hires:
    across, down = table.resize
    return Hires(**table.model_dump(exclude={"resize"}), resize=(across, down))
