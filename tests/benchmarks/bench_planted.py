"""How much of the way from the best FLAT mix to a planted recipe searches go, on rendered pictures of the sample world.

By hand: ``python -m tests.benchmarks.bench_planted FOLDER [--plants N] [--method NAME]... [--second TRAINING]``, or
with ``make bench``, which takes one plant of the pair that ships, and one of the second pair where its training is at
hand (``second_pair.py``). Every method has the nine calibration recipes, which every study renders anyway, and 42
trials of 16 pictures; a backward pass is charged at its measured processor time. The four finalists of a search meet on
24 other pictures, the better one of these counts; for TPE and random search they are the mean of the ten best and the
three best trials. What is measured: see ``planted.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from engine.gradients.denoising_loss import NoisedPictures
from engine.gradients.gradients import Gradients
from engine.recipes.recipe import Recipe
from search.finalists import choose, posterior_means
from search.history import Point, TrialRecord, mean_point, top
from search.plan import InitialRecipe, SearchPlan
from search.samplers.optuna_samplers import distributions
from search.shots import ShotRotation
from search.suggester import Suggester
from studies.sample.world import WORLD
from tests.benchmarks.ascent import Ascent, ascend
from tests.benchmarks.knob_gradients import fresh_shots, knob_gradient, moves_of
from tests.benchmarks.planted import PLAN, SEARCHED, SPACE, TRIALS, Found, Planted, World, one_thread, plant, unit
from tests.benchmarks.second_pair import lacking, second_pair, training_folder

FINALISTS = 4
LAST, COUNT, RATE = 3, 8, 0.06
"""Steps that a gradient goes back through, pictures of a gradient, length of a step of an ascent."""
optuna.logging.disable_default_handler()
Gradient = Callable[[Point, int], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a method recommends, after how many trials, and the lead over the best FLAT that it expects, if it says."""

    spent: float
    point: Point
    promised: float | None = None


# ------------------------------------------------------------------------------------------------------- by trials


def _followed(planted: Planted, plan: SearchPlan, seed: int, rotation: ShotRotation | None = None) -> list[TrialRecord]:
    """Do what our suggester says; what is calibrated is known already."""
    suggester, told = (
        Suggester(space=SPACE, plan=plan, seed=seed, rotation=rotation or ShotRotation()),
        list[TrialRecord](),
    )
    known = {SPACE.mark(one.point): one for one in planted.calibrated}
    while (proposal := suggester.next(told)) is not None:
        old = known.get(SPACE.mark(proposal.point))
        told.append(
            replace(old, number=len(told), slots=proposal.slots)
            if old and proposal.stage == "flat"
            else planted.tell(proposal.point, len(told), proposal.stage, proposal.slots)
        )
    return told


def _finalists(planted: Planted, plan: SearchPlan, told: Sequence[TrialRecord], spent: float) -> Iterator[Answer]:
    flat = SPACE.flat(planted.best_flat)
    for finalist in choose(SPACE, told, FINALISTS, plan):
        mine, theirs = posterior_means(SPACE, told, [finalist.point, flat], plan)
        yield Answer(spent=spent, point=finalist.point, promised=mine - theirs)


def staged(planted: Planted, seed: int) -> Iterator[Answer]:
    """The search as the studies do it."""
    told = _followed(planted, PLAN, seed)
    yield from _finalists(planted, PLAN, told, len(told) - len(planted.calibrated))


def refreshed(planted: Planted, seed: int) -> Iterator[Answer]:
    """The same with other seeds in every stage, as many pictures in sum: the last stage draws twice as many."""
    plan = replace(PLAN, adjust=8, refine=3)
    told = _followed(planted, plan, seed, ShotRotation(shots=len(SEARCHED), per_trial=len(SEARCHED), fresh=True))
    twice, bases = plan.refine, 4
    yield from _finalists(planted, plan, told, len(told) + twice + bases - len(planted.calibrated))


def itself(planted: Planted, seed: int) -> Iterator[Answer]:
    """The planted recipe, which no search chose: plants are chosen on the search's pictures, so it is lucky there."""
    del seed
    points = (plant(planted.number), SPACE.flat(planted.best_flat))
    looks = [planted.features(SPACE.decode(point), SEARCHED) for point in points]
    yield Answer(spent=0, point=points[0], promised=planted.panel.compare(*looks).mean)


def _by_optuna(planted: Planted, sampler: optuna.samplers.BaseSampler) -> Iterator[Answer]:
    study, box = optuna.create_study(direction="maximize", sampler=sampler), distributions(SPACE)
    for one in planted.calibrated:
        study.add_trial(optuna.create_trial(params=dict(one.point), distributions=dict(box), value=one.value))
    told = list(planted.calibrated)
    for _ in range(TRIALS):
        trial = study.ask(dict(box))
        told.append(planted.tell(trial.params, len(told), "blocks"))
        value = told[-1].value
        study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.FAIL)
    yield Answer(spent=TRIALS, point=mean_point([one.point for one in top(told, 10)]))
    for one in top(told, FINALISTS - 1):
        yield Answer(spent=TRIALS, point=one.point)


def tpe(planted: Planted, seed: int) -> Iterator[Answer]:
    """Optuna's default."""
    return _by_optuna(planted, optuna.samplers.TPESampler(seed=seed))


def at_random(planted: Planted, seed: int) -> Iterator[Answer]:
    """Random search."""
    return _by_optuna(planted, optuna.samplers.RandomSampler(seed=seed))


# ----------------------------------------------------------------------------------------------------- by gradients


def _begin(planted: Planted) -> dict[str, float]:
    """The best calibration recipe that is a FLAT mix, moved to where every block can go both ways."""
    flats = [one for one in planted.calibrated if one.number < len(PLAN.flat)]
    ratio = float(np.mean([top(flats, 1)[0].point[knob.name] for knob in SPACE.of_kind("block") if knob.is_free]))
    return SPACE.flat(min(max(ratio, 0.1), 0.9))


def _gradient(planted: Planted, seed: int, last: int = LAST) -> Gradient:
    def gradient(point: Point, step: int) -> Mapping[str, float]:
        shots = fresh_shots(SEARCHED, step, seed, COUNT)
        return knob_gradient(planted.engine, planted.panel, SPACE, point, shots, last=last)

    return gradient


def _climbed(planted: Planted, seed: int, *, trials: float, grouped: bool, last: int = LAST) -> tuple[float, Point]:
    """Climb for so many trials; the cost, and the averaged end of the way."""
    cost = planted.cost(f"last {last}", lambda: _gradient(planted, 0, last)(SPACE.flat(0.5), 0))
    steps = max(1, int(trials / cost))
    ascent = Ascent(steps=steps, rate=RATE)
    *_, end = ascend(SPACE, _begin(planted), _gradient(planted, seed, last), ascent, grouped=grouped)
    return steps * cost, end


def ascent_of_groups(planted: Planted, seed: int) -> Iterator[Answer]:
    """Gradient ascent alone, the blocks of a group as one."""
    spent, end = _climbed(planted, seed, trials=TRIALS, grouped=True)
    yield Answer(spent=spent, point=end)


def ascent_of_knobs(planted: Planted, seed: int) -> Iterator[Answer]:
    """Gradient ascent alone, every knob for itself."""
    spent, end = _climbed(planted, seed, trials=TRIALS, grouped=False)
    yield Answer(spent=spent, point=end)


def proposed(planted: Planted, seed: int) -> Iterator[Answer]:
    """A third of the trials as an ascent, whose end is an ordinary trial that the staged search begins with."""
    spent, end = _climbed(planted, seed, trials=TRIALS / 3, grouped=True)
    plan = replace(
        PLAN,
        groups=6,
        blocks=6,
        self_mode=3,
        adjust=8,
        refine=3,
        beginnings=(InitialRecipe(label="climbed", point=end),),
    )
    told = _followed(planted, plan, seed)
    yield from _finalists(planted, plan, told, spent + len(told) - len(planted.calibrated))


# ------------------------------------------------------------------------------------------------------- by the fit


def fitted_flat(planted: Planted, seed: int) -> Iterator[Answer]:
    """The FLAT mix with the least denoising loss on the reference pictures, by a parabola; nothing is rendered."""
    gradients = Gradients(planted.engine)
    planted.engine.build(Recipe.flat(0.5))
    latents = gradients.encode(planted.references)
    noised = NoisedPictures(latents=latents, captions=("",) * len(latents), seed=seed, levels=4)
    losses = [float(gradients.denoising_errors(Recipe.flat(r / 10), noised).mean()) for r in range(11)]
    place = min(max(int(np.argmin(losses)), 1), 9)
    before, here, after = losses[place - 1 : place + 2]
    bend = before - 2 * here + after
    ratio = min(max((place + (0.5 * (before - after) / bend if bend > 0 else 0.0)) / 10, 0.0), 1.0)
    spent = 11 * planted.cost("errors", lambda: gradients.denoising_errors(Recipe.flat(0.4), noised))
    yield Answer(spent=spent, point=SPACE.flat(ratio))


def fitted_knobs(planted: Planted, seed: int) -> Iterator[Answer]:
    """Descent of the denoising loss over groups, multipliers and Adjust from the best FLAT mix, 24 steps."""
    gradients = Gradients(planted.engine)
    planted.engine.build(Recipe.flat(0.5))
    latents = gradients.encode(planted.references)
    noised = NoisedPictures(latents=latents, captions=("",) * len(latents), seed=seed, levels=2)

    def gradient(point: Point, step: int) -> Mapping[str, float]:
        again = replace(noised, seed=seed * 1000 + step + 1)
        found = gradients.of_denoising(SPACE.decode(point), moves_of(SPACE, point), again)
        return {name: -derivative for name, derivative in found.by_name.items()}

    cost = planted.cost("denoising gradient", lambda: gradient(SPACE.flat(0.5), 0))
    *_, end = ascend(SPACE, _begin(planted), gradient, Ascent(steps=24, rate=RATE), grouped=True)
    yield Answer(spent=24 * cost, point=end)


METHODS: dict[str, Callable[[Planted, int], Iterator[Answer]]] = {
    "staged": staged,
    "refreshed": refreshed,
    "TPE": tpe,
    "random": at_random,
    "proposed": proposed,
    "ascent, groups": ascent_of_groups,
    "ascent, knobs": ascent_of_knobs,
    "fit, FLAT": fitted_flat,
    "fit, groups": fitted_knobs,
    "itself": itself,
}


def measure(planted: Planted, method: str, seed: int = 1) -> Found:
    """Run a method, print what its answer comes to, and return it."""
    began = time.process_time()
    answers = list(METHODS[method](planted, seed))
    answer = max(answers, key=lambda one: planted.proved(one.point)) if len(answers) > 1 else answers[0]
    found = planted.found(answer.point)
    away = float(np.abs(unit(answer.point) - unit(plant(planted.number))).mean())
    lead = found.lead
    line = (
        f"  {method:16s} spent {answer.spent:5.1f}  part {found.part:+.2f} +- {found.part_error:.2f}  "
        f"score {found.score:+.2f}  objective {found.value:+.2f}  lead {lead.mean:+.2f} +- {lead.standard_error:.2f}  "
        f"away {away:.2f}"
    )
    for word, said in (("reported", found.reported.mean), ("promised", answer.promised)):
        if said is not None:
            luck = (said - lead.mean) / lead.standard_error
            line += f"  {word} {said:+.2f} ({luck:+.1f} standard errors of luck)"
    print(f"{line}  ({time.process_time() - began:.0f} s)", flush=True)
    return found


def compare(plants: Iterable[Planted], methods: Sequence[str], seed: int = 1) -> dict[str, list[Found]]:
    """Run all methods on all plants; print every row, then means over plants, and differences from the first method."""
    found: dict[str, list[Found]] = {method: [] for method in methods}
    for planted in plants:
        print(f"plant {planted.number}")
        for method in methods:
            found[method].append(measure(planted, method, seed))
    for method in methods:
        rows = [np.array([[one.part, one.score] for one in found[name]]) for name in (method, methods[0])]
        apart = rows[0] - rows[1]
        said = [f"{values.mean():+.2f} +- {_error(values):.2f}" for values in (*rows[0].T, *apart.T)]
        first = f"against {methods[0]}: part {said[2]}, score {said[3]}" if method != methods[0] else ""
        luck = np.array([one.reported.mean - one.lead.mean for one in found[method]])
        print(f"{method:16s} part {said[0]}  score {said[1]}  luck {luck.mean():+.2f} +- {_error(luck):.2f}  {first}")
    return found


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


@pytest.fixture(params=["pair that ships", "second pair"])
def packed(request: pytest.FixtureRequest) -> Path:
    """The folder of a packed pair."""
    if request.param == "pair that ships":
        return WORLD
    folder = training_folder()
    why = lacking(folder)
    if folder is None or why:
        pytest.skip(why)
    return second_pair(folder)


@pytest.mark.benchmark
def test_the_staged_search_leaves_every_flat_behind(packed: Path, tmp_path: Path) -> None:
    """One plant, and TPE beside it, which is not told from ours by so little; all by hand."""
    one_thread()
    (ours,) = compare(World(tmp_path, packed).plants(1), ["staged", "TPE"])["staged"]
    assert ours.part > 3 * ours.part_error
    assert ours.lead.low > 0


def main() -> None:
    """Read the command line and measure."""
    reader = argparse.ArgumentParser(description="Measure searches on planted recipes of the sample world.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--plants", type=int, default=8)
    reader.add_argument("--number", type=int, action="append", help="plants by number, chosen before")
    reader.add_argument("--method", action="append", choices=list(METHODS))
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--second", type=Path, help="the second pair, of the training in this folder")
    given = reader.parse_args()
    if given.second and (why := lacking(given.second)):
        reader.error(why)
    one_thread()
    world = World(given.folder, second_pair(given.second) if given.second else WORLD)
    plants = (world.planted(n) for n in given.number) if given.number else world.plants(given.plants)
    compare(plants, given.method or list(METHODS), given.seed)


if __name__ == "__main__":
    main()
