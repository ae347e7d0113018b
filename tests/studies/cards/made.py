"""Cards for tests, made of values alone: with everything that a card can say, and with nothing but a recipe."""

from __future__ import annotations

import numpy as np

from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from engine.recipes.sites import Site
from engine.shots.shot import Shot
from studies.cards.card import CardCheckpoint, CardParent, CardPictures, CardProof, CardRow, RecipeCard
from studies.store.judged.outcome import Comparison

JAPANESE = "水彩風の夕暮れと、とても長い名前をもつ街角のイラスト"
PROMPT = "夕暮れの街角、水彩 `code` | <b>"
LONG = "an_extremely_long_checkpoint_name_that_nobody_would_type_by_hand_" * 2 + "日本語 名前.safetensors"
RISING = tuple(round(place / 25, 2) for place in range(26))


def lead(against: str, mean: float, low: float, high: float) -> Comparison:
    """A comparison in 24 pictures."""
    return Comparison(against=against, mean=mean, low=low, high=high, pictures_won=20, pictures=24)


def full_card() -> RecipeCard:
    """A card with everything: Japanese, long names, marks that Markdown would obey, three parents."""
    steps = (
        MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=RISING, beta=tuple(reversed(RISING))),
        SelfStep(factors=((Site(block="OUT05", element="attn1"), 0.88),)),
        AdjustStep(values=(0.0, 0.0, 0.0, -1.0, 7.0, 1.0, 1.0, 0.0)),
    )
    picture = np.full((96, 64, 3), (200, 60, 60), np.uint8)
    row = CardRow(prompt=PROMPT, seed=7, pictures=(picture, picture, None))
    return RecipeCard(
        title=JAPANESE,
        recipe=Recipe(steps=steps),
        parents=(
            CardParent(letter="A", file=LONG, sha256="a" * 64, licence="CC0 | see `LICENSE`"),
            CardParent(letter="B", file="b.safetensors", sha256="b" * 64, licence=""),
            CardParent(letter="C", file="", sha256="", licence=""),
        ),
        study="夜",
        source="finalist 1 (best)",
        approved="2026-11-28T20:11:50+00:00",
        note="線がきれい",
        checkpoint=CardCheckpoint(file=f"{JAPANESE}.safetensors", sha256="c" * 64, autov3="d" * 12),
        proof=CardProof(
            leads=(lead("A", 1.5, 0.5, 2.5), lead("FLAT_25", 0.1, -0.2, 0.4), lead("B", -1.0, -1.5, -0.5)),
            level="95 %",
            warnings=("Its pictures moved aside.",),
        ),
        pictures=CardPictures(columns=("", "A", "FLAT_25"), rows=(row,), held_out=True),
        shots=(Shot(prompt=PROMPT, seed=7, steps=24), Shot(prompt="other", seed=8, steps=24)),
        embeddings={"水彩": "e" * 64},
    )


def bare_card() -> RecipeCard:
    """A card of which nothing is known but the recipe."""
    recipe = Recipe(steps=(MergeStep(alpha=0.4),))
    parents = tuple(CardParent(letter=letter, file="", sha256="", licence="") for letter in recipe.models)
    return RecipeCard(title="mix", recipe=recipe, parents=parents)
