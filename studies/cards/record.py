"""A card as JSON, and the recipe's own entry, which its picture carries too."""

from __future__ import annotations

import json
from typing import Any

from engine.merging.metadata import FORMAT, METADATA_KEY
from studies.cards import words
from studies.cards.card import CardProof, RecipeCard
from studies.cards.recommended_markdown import settings_fields


def recipe_entry(card: RecipeCard) -> dict[str, Any]:
    """Return the recipe and its parents as a merged checkpoint's header has them."""
    models = {parent.letter: {"name": parent.file, "sha256": parent.sha256} for parent in card.parents}
    return {
        "format": FORMAT,
        "recipe": card.recipe.text,
        "recipe_key": card.recipe.key,
        "models": models,
        "dtype": card.dtype,
    }


def entry_text(card: RecipeCard) -> str:
    """Return the recipe and its parents as one line of JSON."""
    return json.dumps(recipe_entry(card), ensure_ascii=False)


def json_text(card: RecipeCard, stem: str) -> str:
    """Return a card, whose files are called ``stem``, as JSON, which `recipe-search recipe` reads as the recipe."""
    return (
        json.dumps({METADATA_KEY: recipe_entry(card), "card": _fields(card, stem)}, indent=1, ensure_ascii=False) + "\n"
    )


def _fields(card: RecipeCard, stem: str) -> dict[str, Any]:
    checkpoint, promise, pictures = card.checkpoint, card.promise, card.pictures
    return {
        "title": card.title,
        "study": card.study,
        "approved": {"source": card.source, "at": card.approved, "note": card.note} if card.source else None,
        "result": words.headline(card),
        "proof": _proof_fields(card.proof) if card.proof else None,
        "promise": {
            "trial": promise.trial,
            "score": promise.score,
            "standard_error": promise.error,
            "pictures": promise.pictures,
        }
        if promise
        else None,
        "licences": {parent.letter: parent.licence or words.NOT_STATED for parent in card.parents},
        "checkpoint": {
            "file": checkpoint.file,
            "sha256": checkpoint.sha256,
            "autov2": checkpoint.autov2,
            "autov3": checkpoint.autov3,
        }
        if checkpoint
        else None,
        "settings": dict(words.settings(card)),
        **({"recommended": settings_fields(card.recommended, words.example(card))} if card.recommended else {}),
        "embeddings": dict(card.embeddings),
        "shown": [{"prompt": row.prompt, "seed": row.seed} for row in pictures.rows] if pictures else [],
        "rebuild": list(words.rebuild_lines(card, stem)),
        "supermerger": words.supermerger_text(card),
    }


def _proof_fields(proof: CardProof) -> dict[str, Any]:
    return {
        "intervals": proof.level,
        "broken": list(proof.broken),
        "leads": [
            {
                "against": lead.against,
                "mean": lead.mean,
                "low": lead.low,
                "high": lead.high,
                "interval": lead.level(proof.level),
                "pictures_won": lead.pictures_won,
                "pictures": lead.pictures,
            }
            for lead in proof.leads
        ],
        "warnings": list(proof.warnings),
        "notes": list(proof.notes),
    }
