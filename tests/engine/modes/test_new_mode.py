"""A calculation mode of an installed package works wherever ours do, without a change to any module."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from engine.errors import EngineError, RecipeError
from engine.merging.exact import replay
from engine.modes.pair import pair_of
from engine.modes.registry import GROUP, calculation_mode, calculation_modes
from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from tests.engine.merging.closeness import steps_off
from tests.engine.merging.manifest_recipes import folded
from tests.engine.models.in_memory import InMemory
from tests.studies.sample_study import write_small_study

STEM = "model.diffusion_model.output_blocks.5.1."
TEXT = """
format = 1

[[steps]]
calculation = "geometric"
alpha = {alpha}
elemental = "OUT05:norm:0.75"
"""


def forget() -> None:
    """Nothing is known of the installed packages, as in a new process."""
    calculation_modes.cache_clear()
    pair_of.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package with the file of the mode, as pip would lay it out, and an entry point."""
    site = tmp_path / "site"
    site.mkdir()

    def put(value: str) -> None:
        shutil.copy(Path(__file__).with_name("geometric.py"), site / "their_geometric.py")
        info = site / "their_modes-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-modes\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\ngeometric = {value}\n")
        monkeypatch.syspath_prepend(site)
        forget()

    yield put
    monkeypatch.undo()
    forget()
    assert "geometric" not in calculation_modes()


@pytest.fixture
def geometric(install: Callable[[str], None]) -> None:
    install("their_geometric:GEOMETRIC")


def models(dtype: torch.dtype) -> dict[str, InMemory]:
    generator = torch.Generator().manual_seed(3)
    shapes = {f"{STEM}proj_in.weight": (7, 5), f"{STEM}norm.bias": (6,), "first_stage_model.encoder.bias": (4,)}
    return {
        name: InMemory({key: torch.randn(shape, generator=generator).to(dtype) for key, shape in shapes.items()})
        for name in "AB"
    }


@pytest.mark.usefixtures("geometric")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_it_is_read_and_merged_exactly_and_folded(dtype: torch.dtype) -> None:
    recipe, parents = Recipe.parse(TEXT.format(alpha=0.25)), models(dtype)
    assert Recipe.parse(recipe.text) == recipe
    exact, single = replay(recipe, parents), folded(recipe, parents, torch.float32)
    for key, ratio in ((f"{STEM}proj_in.weight", 0.25), (f"{STEM}norm.bias", 0.75)):
        a, b = (parents[name].read(key) for name in "AB")
        expected = a.double().sign() * a.double().abs() ** (1 - ratio) * b.double().abs() ** ratio
        assert exact.read(key).dtype == dtype
        assert steps_off(exact.read(key), expected, (a, b), dtype) <= 2
        assert steps_off(single[key], exact.read(key), (a, b), dtype) <= 2


@pytest.mark.usefixtures("geometric")
def test_its_numbers_are_checked() -> None:
    with pytest.raises(RecipeError, match=r"geometric: alpha is 1\.5; it must be from 0 to 1"):
        Recipe.parse(TEXT.format(alpha=1.5))
    with pytest.raises(RecipeError, match="beta: means nothing in Weight sum, geometric"):
        Recipe.parse(TEXT.format(alpha="0.2\nbeta = 0.1"))


@pytest.mark.usefixtures("geometric")
@pytest.mark.parametrize(
    ("options", "line"),
    [((), "step 1: Weight sum, geometric, of A, B"), (("--supermerger",), "calculation mode: geometric")],
)
def test_it_is_shown(tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT.format(alpha=0.25) + '\n[models]\nA = "a.safetensors"\nB = "b.safetensors"\n')
    result = CliRunner().invoke(main, ["recipe", "show", str(path), *options])
    assert result.exit_code == 0, result.output
    assert line in result.output


def study_with(folder: Path, text: str) -> Path:
    study = write_small_study(folder)
    study.write_text(study.read_text() + text)
    return study


@pytest.mark.usefixtures("geometric")
@pytest.mark.parametrize(
    "text", ['\n[merge]\ncalculation = "geometric"\n', '\n[space.choices]\ncalculation = ["normal", "geometric"]\n']
)
def test_a_study_searches_it(tmp_path: Path, text: str) -> None:
    """The package and its version belong to what a study's numbers depend on."""
    spec = read_study_file(study_with(tmp_path, text))
    place = {knob.name: len(knob.options) - 1.0 for knob in spec.search.space.knobs if knob.is_choice}
    step = spec.search.space.decode(spec.search.space.neutral | place).steps[0]
    assert 'calculation = "geometric"' in Recipe(steps=(step,)).text
    assert spec.fingerprint()["calculation mode geometric"] == "their-modes 1.2"


def test_without_the_package_it_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no calculation mode 'geometric'"):
        Recipe.parse(TEXT.format(alpha=0.25))
    with pytest.raises(StudyError, match=r'merge\.calculation: unknown calculation mode \("geometric"\)'):
        read_study_file(study_with(tmp_path, '\n[merge]\ncalculation = "geometric"\n'))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("their_geometric:NOTHING", r"of their-modes 1\.2 cannot be loaded \(AttributeError: .*NOTHING.*\); mend the"),
        ("their_geometric:geometric", "is <function geometric .*; a CalculationMode of engine.modes.record is needed"),
        ("engine.modes.extract:EXTRACT", "there is a calculation mode 'extract' already; give it another name"),
    ],
)
def test_a_wrong_package_is_named(install: Callable[[str], None], value: str, message: str) -> None:
    install(value)
    with pytest.raises(EngineError, match=message):
        calculation_mode("normal")
