"""What the proof of a night with a deadline takes: what it still has to render, learnt from its first recipes."""

from __future__ import annotations

from rich.console import Console

from engine.errors import EngineError
from scorers.errors import ScorerError
from studies.limits.schedule import NightSchedule, ProofNeeds
from studies.night.proving.baselines import baselines_of
from studies.night.proving.proof_rounds import drawing_order, looks
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.backends.backend import Backend
from studies.store.backends.journal.workers import BusyError
from studies.studyfile.spec import StudyShots, StudySpec


def proof_needs(spec: StudySpec, workshop: Workshop) -> ProofNeeds:
    """Return what is left of the proof: pictures that are not kept, finalists, simpler recipes."""
    shots, first = spec.shots.proof, _first_places(spec.shots)
    baselines, every = baselines_of(spec.search, spec.rendering).values(), range(len(spec.shots.proof))
    missing = [[] if workshop.keeps(one, shots, every) else [*every] for one in baselines]
    begun = [
        len(first) if places and len(first) < len(shots) and workshop.keeps(one, shots, first) else 0
        for one, places in zip(baselines, missing, strict=True)
    ]
    return ProofNeeds(
        shots=len(shots),
        baselines=sum(map(len, missing)) - sum(begun) + bool(spec.search.plan.line) * len(shots),  # of the line
        finalists=spec.search.finalists,
        simpler=spec.search.simplify,
    )


def _first_places(shots: StudyShots) -> tuple[int, ...]:
    """The places of the held-out shots that all recipes draw before the first comparison."""
    order = drawing_order([shot.prompt for shot in shots.proof])
    return tuple(sorted(order[: (*looks(len(shots.proof)), len(shots.proof))[0]]))


def draw_baselines(
    spec: StudySpec, workshop: Workshop, schedule: NightSchedule, backend: Backend, console: Console
) -> None:
    """Draw the first held-out pictures of models and FLAT mixes now, which the proof needs in any case.

    So a proof that takes longer than trials let expect is known while there is time to make fewer of them. Where
    another worker does it, or a recipe cannot be rendered, the proof is left to see to it.
    """
    shots, places = spec.shots.proof, _first_places(spec.shots)
    baselines = baselines_of(spec.search, spec.rendering)
    missing = {label: one for label, one in baselines.items() if not workshop.keeps(one, shots, places)}
    drawn, seconds = workshop.drawn, list[float]()
    try:
        with (
            backend.held("proof", _leave_it),
            meter("drawing what the proof compares with", len(missing), console) as bar,
        ):
            for label, candidate in missing.items():
                started = schedule.clock.now()
                if len(places) == len(shots):
                    workshop.make(candidate, shots, pictures=True)
                else:
                    workshop.make_part(candidate, shots, places)
                seconds.append((schedule.clock.now() - started) / len(places))
                bar.advance(note=label)
            workshop.settle()
    except (BusyError, EngineError, ScorerError):
        return
    schedule.learn_proof(workshop.drawn - drawn, seconds)


def _leave_it() -> None:
    raise BusyError("another worker is at it")
