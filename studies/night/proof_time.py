"""What the proof of a night with a deadline takes: what it still has to render, learnt from its first recipes."""

from __future__ import annotations

from rich.console import Console

from engine.errors import EngineError
from scorers.errors import ScorerError
from studies.limits.schedule import NightSchedule, ProofNeeds
from studies.night.proof import baselines_of
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.locks import held
from studies.store.workers import BusyError
from studies.studyfile.spec import StudySpec


def proof_needs(spec: StudySpec, workshop: Workshop) -> ProofNeeds:
    """Return what is left of the proof: recipes that are not kept, finalists, simpler recipes."""
    shots = spec.shots.proof
    baselines = baselines_of(spec.search, spec.rendering).values()
    return ProofNeeds(
        shots=len(shots),
        baselines=sum(not workshop.keeps(candidate, shots) for candidate in baselines),
        finalists=spec.search.finalists,
        simpler=spec.search.simplify,
    )


def draw_baselines(spec: StudySpec, workshop: Workshop, schedule: NightSchedule, console: Console) -> None:
    """Render models and FLAT mixes on the held-out shots now, which the proof needs in any case, and learn from it.

    So a proof that takes longer than trials let expect is known while there is time to make fewer of them. Where
    another worker does it, or a recipe cannot be rendered, the proof is left to see to it.
    """
    shots, baselines = spec.shots.proof, baselines_of(spec.search, spec.rendering)
    missing = {label: one for label, one in baselines.items() if not workshop.keeps(one, shots)}
    started, drawn = schedule.clock.now(), workshop.drawn
    try:
        with (
            held(spec.storage.folder, "proof", busy=_leave_it),
            meter("drawing what the proof compares with", len(missing), console) as bar,
        ):
            for label, candidate in missing.items():
                workshop.make(candidate, shots, pictures=True)
                bar.advance(note=label)
            workshop.settle()
    except (BusyError, EngineError, ScorerError):
        return
    schedule.learn_proof(workshop.drawn - drawn, schedule.clock.now() - started)


def _leave_it() -> None:
    raise BusyError("another worker is at it")
