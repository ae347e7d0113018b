"""Chains: built at once from the first parents, the last checkpoint has the bits that it has stage by stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import file_sha256
from engine.checkpoints.header import read_header
from engine.errors import RecipeError
from engine.exports.checkpoint import merged_checkpoint
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions
from engine.merging.chain import CHAIN, chain_entry, chain_in, chain_of, chain_of_origin, obstacle
from engine.merging.metadata import METADATA_KEY, Origin, Parent, origin_of
from engine.merging.output import Output
from engine.merging.write import WrittenCheckpoint
from engine.recipes.blocks import Site
from engine.recipes.chains import RecipeChain
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from tests.engine.models.tiny import write_tiny

WEIGHTS = tuple(round((0.37 + 0.31 * n) % 1.0, 3) for n in range(26))
SELF = SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88), (Site.parse("OUT08:attn1"), 0.91)))
ADJUST = AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25))
COSINE = MergeStep(alpha=0.3, calculation="cosineA")
STAGES = {
    "the article's": (
        Recipe(steps=(MergeStep(alpha=(0.0, *WEIGHTS[1:])),)),
        Recipe(steps=(SELF,)),
        Recipe(steps=(ADJUST,)),
    ),
    "another parent each": (
        Recipe(steps=(MergeStep(alpha=WEIGHTS), SELF)),
        Recipe(steps=(MergeStep(alpha=0.17), ADJUST)),
        Recipe(steps=(MergeStep(alpha=WEIGHTS[::-1]), SELF, ADJUST)),
    ),
    "other modes": (
        Recipe(steps=(COSINE, ADJUST)),
        Recipe(steps=(MergeStep(alpha=0.4, calculation="cosineB", elemental="OUT05:attn:0.9"),)),
        Recipe(steps=(COSINE, MergeStep(models=("previous", "A"), alpha=0.5))),
    ),
    "as computed": tuple(
        Recipe(steps=(MergeStep(alpha=alpha), step), save="computed")
        for alpha, step in ((0.3, SELF), (WEIGHTS, ADJUST), (0.6, SELF))
    ),
}


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Four models, two of them in fp16."""
    folder = tmp_path_factory.mktemp("parents")
    found = [write_tiny(folder / f"p{seed}.safetensors", seed) for seed in range(1, 5)]
    for path in found[1::2]:
        halves = {key: t.half() if t.is_floating_point() else t for key, t in load_file(path).items()}
        save_file(halves, path, metadata={"format": "pt"})
    return tuple(found)


def exported(recipe: Recipe, models: dict[str, Path], out: Path, **output: object) -> WrittenCheckpoint:
    content = ExportContent(recipe=recipe, title=out.stem, models=models)
    dtype = "computed" if recipe.save == "computed" else "fp16"
    return merged_checkpoint(content, out, ExportOptions(output=Output(**{"dtype": dtype, **output})))  # pyright: ignore[reportArgumentType]


def origin(path: Path) -> Origin:
    found = origin_of(read_header(path))
    assert found is not None
    return found


def by_stages(recipes: tuple[Recipe, ...], parents: tuple[Path, ...], folder: Path) -> WrittenCheckpoint:
    """Save stage after stage, each of the one before it and the next parent; each earlier one is deleted."""
    made, done = parents[0], None
    for recipe, name, other in zip(recipes, ("alpha", "beta", "final"), parents[1:], strict=True):
        models = {letter: {"A": made, "B": other}[letter] for letter in recipe.models}
        done = exported(recipe, models, folder / f"{name}.safetensors")
        if made not in parents:
            made.unlink()
        made = done.path
    assert done is not None
    return done


def files_of(chain: RecipeChain, parents: tuple[Path, ...]) -> dict[str, Path]:
    by_hash = {file_sha256(path): path for path in parents}
    return {name: by_hash[one.sha256] for name, one in chain.models.items()}


@pytest.mark.parametrize("kind", STAGES)
def test_three_stages_at_once_are_the_same_bits(kind: str, tmp_path: Path, parents: tuple[Path, ...]) -> None:
    final = by_stages(STAGES[kind], parents, tmp_path)
    chain = chain_of_origin(origin(final.path))
    assert [one.name for one in chain.stages] == ["alpha", "beta"]
    assert chain.ends == ()
    assert len(chain.models) == (2 if kind == "the article's" else 4)
    at_once = exported(chain.recipe, files_of(chain, parents), tmp_path / "at once.safetensors")
    assert at_once.autov3 == final.autov3


def test_the_rounding_of_the_stages_shows(tmp_path: Path, parents: tuple[Path, ...]) -> None:
    """What the tests above compare is not equal by itself."""
    final = by_stages(STAGES["another parent each"], parents, tmp_path)
    chain = chain_of_origin(origin(final.path))
    files = files_of(chain, parents)
    folded = exported(chain.recipe, files, tmp_path / "folded.safetensors", arithmetic="folded")
    computed = Recipe(steps=chain.recipe.steps, save="computed")
    unrounded = exported(computed, files, tmp_path / "computed.safetensors", dtype="fp16")
    assert len({final.autov3, folded.autov3, unrounded.autov3}) == 3


def test_a_merged_second_model_is_part_of_the_chain(tmp_path: Path, parents: tuple[Path, ...]) -> None:
    alpha = exported(STAGES["the article's"][0], {"A": parents[0], "B": parents[1]}, tmp_path / "alpha.safetensors")
    other = exported(Recipe.flat(0.3), {"A": parents[2], "B": parents[1]}, tmp_path / "other.safetensors")
    last = Recipe(steps=(MergeStep(alpha=WEIGHTS), SELF))
    final = exported(last, {"A": alpha.path, "B": other.path}, tmp_path / "final.safetensors")
    chain = chain_of_origin(origin(final.path))
    assert [one.name for one in chain.stages] == ["alpha", "other"]
    assert [one.file for one in chain.models.values()] == ["p1.safetensors", "p2.safetensors", "p3.safetensors"]
    at_once = exported(chain.recipe, files_of(chain, parents), tmp_path / "at once.safetensors")
    assert at_once.autov3 == final.autov3


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"arithmetic": "folded"}, "it was exported folded, which a recipe cannot say"),
        ({"dtype": "fp32"}, "it was exported in fp32, and its recipe saves as fp16"),
        ({"dtype": "bf16", "prune": True}, "in bf16, and its recipe saves as fp16 and pruned"),
        ({"reset_clip_ids": True}, "with new position numbers"),
    ],
)
def test_what_a_recipe_cannot_say_ends_the_chain(
    asked: dict[str, object], why: str, tmp_path: Path, parents: tuple[Path, ...]
) -> None:
    alpha = exported(Recipe.flat(0.3), {"A": parents[0], "B": parents[1]}, tmp_path / "alpha.safetensors", **asked)
    models = {"A": alpha.path, "B": parents[2]}
    found = chain_of(
        Recipe.flat(0.5), {name: Parent(path=path, sha256=file_sha256(path)) for name, path in models.items()}
    )
    assert found.stages == ()
    (said,) = found.ends
    assert said.startswith("the chain does not go on behind A (alpha.safetensors): ")
    assert why in said
    final = exported(Recipe.flat(0.5), models, tmp_path / "final.safetensors")
    assert CHAIN not in origin(final.path).facts


def test_a_stripped_header_begins_the_chain(tmp_path: Path, parents: tuple[Path, ...]) -> None:
    alpha = exported(Recipe.flat(0.3), {"A": parents[0], "B": parents[1]}, tmp_path / "alpha.safetensors")
    save_file(load_file(alpha.path), alpha.path, metadata={"format": "pt"})
    models = {name: Parent(path=path, sha256=name * 64) for name, path in (("A", alpha.path), ("B", parents[2]))}
    found = chain_of(Recipe.flat(0.5), models)
    assert (found.recipe, found.stages, found.ends) == (Recipe.flat(0.5), (), ())
    assert found.models["A"].file == "alpha.safetensors"


def test_random_numbers_and_other_rules_are_told() -> None:
    before = Origin(recipe=Recipe.flat(0.3), models={}, names={}, facts={"dtype": "fp16", "arithmetic": "exact"})
    assert obstacle(before, Recipe.flat(0.5)) == ""
    noise = Recipe(steps=(MergeStep(alpha=0.1, calculation="plus random", seed=1),))
    assert "draws random numbers in the order" in obstacle(before, noise)
    other = Recipe(steps=Recipe.flat(0.5).steps, dialect="2023")
    assert obstacle(before, other) == "its dialect is classic, and that of the next stage is 2023"


def test_a_changed_chain_is_refused_and_ends_the_next(tmp_path: Path, parents: tuple[Path, ...]) -> None:
    final = by_stages(STAGES["the article's"], parents, tmp_path)
    chain = chain_of_origin(origin(final.path))
    entry = chain_entry(chain)
    assert chain_in(json.loads(json.dumps(entry))) == chain
    for wrong in (
        None,
        {**entry, "recipe": Recipe.flat(0.5).text},
        {**entry, "stages": [{"name": "alpha", "step": 2, "file": "", "sha256": ""}]},
        {**entry, "stages": [{"name": "alpha", "step": float("inf"), "file": "", "sha256": ""}]},
        {**entry, "models": {}},
        {**entry, "models": {"A": 1}},
    ):
        with pytest.raises(RecipeError, match=r"chain: it (cannot be read|was changed by hand)"):
            chain_in(wrong)
    header = dict(read_header(final.path).metadata)
    own = json.loads(header[METADATA_KEY])
    own[CHAIN] |= {"recipe_key": "0" * 64}
    save_file(load_file(final.path), final.path, metadata={**header, METADATA_KEY: json.dumps(own)})
    found = chain_of(Recipe(steps=(SELF,)), {"A": Parent(path=final.path, sha256="f" * 64)})
    assert found.stages == ()
    assert "the recipe in its header cannot be read: chain: it was changed by hand" in found.ends[0]


def test_the_header_of_a_checkpoint_of_one_stage_says_nothing_new(tmp_path: Path, parents: tuple[Path, ...]) -> None:
    done = exported(Recipe.flat(0.3), {"A": parents[0], "B": parents[1]}, tmp_path / "alpha.safetensors")
    assert {*origin(done.path).facts} == {"dtype", "arithmetic", "pruned", "vae"}
