"""Prompts of a new study: those of a person's list or ours, divided between the search and its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from math import ceil
from pathlib import Path

from engine.errors import Problems, counted
from engine.files import read_text
from studies.errors import StudyError

SEARCH_PICTURES = 16
"""The fewest pictures that the search of a new study may draw, and the most prompts that it takes from a list."""
PROOF_PICTURES = 24
"""About how many held-out pictures a new study's proof has, and the most prompts that it takes from a list."""
FEWEST_DIVIDED = 8
"""With fewer prompts than these the search needs all of them, and the proof shows them with other seeds."""
FIRST_SEED, FIRST_PROOF_SEED = 1, 101
"""Where the seeds of the search and those of the proof begin."""
OPTION, COMMENT = "--", "#"
"""How lines begin that are options of a WebUI's script, and those that are comments."""

USUAL_PROMPTS = (
    "a girl reading in a garden, flowers, morning light",
    "a fox in the snow, forest",
    "a portrait of an old man, window light",
    "a street at night, rain, neon signs",
    "a castle on a hill, sunset",
    "a cat asleep on a windowsill",
    "a woman in a red coat, autumn street",
    "a sailing boat on a calm sea, clouds",
    "a bowl of fruit on a wooden table",
    "a boy with a kite on a beach",
    "a horse in a meadow, mountains",
    "a knight in armour, dark forest",
    "a small house by a lake, reflection",
    "a city seen from above, evening lights",
    "a dancer on a stage, spotlight",
    "an owl on a branch, full moon",
    "a kitchen with copper pots, steam",
    "two friends laughing in a café",
    "a waterfall in a jungle, mist",
    "a robot in a workshop, sparks",
    "a cup of coffee on a table",
    "a girl with long hair, close-up, blue sky",
    "a dog running through shallow water",
    "a library with tall shelves, warm lamps",
    "a desert road, old car, noon",
    "a witch with a lantern, village at night",
    "a vase of sunflowers",
    "a mother and a child in the rain, umbrella",
    "a dragon over a valley",
    "a train station in winter, steam",
    "a man playing the violin, stage",
    "a bridge over a river, cherry blossom",
    "a rabbit in tall grass",
    "a market with fruit stalls, crowd",
    "an astronaut on a red planet",
    "a ballroom, chandeliers, dancing people",
    "a bicycle against a brick wall",
    "a woman at a desk, computer, night",
    "a lighthouse in a storm",
    "a group of children around a campfire",
)
"""Prompts for a person who gives none: people, animals, things, places, near and far, by day and by night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSeeds:
    """A prompt of the search, and the seeds that it is rendered with."""

    text: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPrompts:
    """What a new study draws.

    Attributes:
        search: The prompts of the search, no seed twice.
        proof: Those of the proof; none: those of the search.
        proof_seeds: Seeds of the proof, none of them one of the search.
        left: How many prompts of the list are neither searched nor proved with.
    """

    search: tuple[PromptSeeds, ...]
    proof: tuple[str, ...]
    proof_seeds: tuple[int, ...]
    left: int = 0

    @property
    def searched(self) -> int:
        """How many pictures the search may draw of a recipe."""
        return sum(len(prompt.seeds) for prompt in self.search)

    @property
    def proved(self) -> int:
        """How many held-out pictures the proof draws of a recipe."""
        return len(self.proof or self.search) * len(self.proof_seeds)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What becomes of the prompts, for people."""
        first = f"{counted(len(self.search), 'prompt')} to search with, {counted(self.searched, 'picture')} a recipe"
        pictures = f"{counted(self.proved, 'held-out picture')} a recipe"
        if self.proof:
            second = f"{len(self.proof)} other prompts to prove with, {pictures}"
        else:
            second = (
                f"the proof shows the same prompts with other seeds, {pictures}: with {FEWEST_DIVIDED} prompts or more "
                "it would have prompts of its own"
            )
        lines = [f"{first}; {second}"]
        if self.left:
            most = SEARCH_PICTURES + PROOF_PICTURES
            lines.append(
                f"{counted(self.left, 'prompt')} of the list stand in neither: {most} are taken, evenly spread over "
                "it; add more by hand where a longer night is worth it"
            )
        return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptList:
    """A person's list of prompts, each once, and what was left out of it."""

    prompts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_prompt_list(path: Path) -> PromptList:
    """Read a text file with one prompt a line; blank lines, comments and repetitions are left out.

    Raises:
        StudyError: it cannot be read, holds no prompt, or has lines that are options of a WebUI's script.
    """
    lines = [line.strip() for line in read_text(path, StudyError).split("\n")]
    first: dict[str, int] = {}
    problems, notes = Problems(), list[str]()
    comments = 0
    for number, line in enumerate(lines, start=1):
        if line.startswith(OPTION):
            remedy = "write the prompt alone, and settings under [render] of the study file"
            problems.add((path,), f"line {number} begins with options, which are not read here", remedy, seen=line)
        elif line.startswith(COMMENT):
            comments += 1
        elif line in first:
            notes.append(f"line {number} is the same prompt as line {first[line]}, and counts once")
        elif line:
            first[line] = number
    problems.raise_as(StudyError)
    if not first:
        raise StudyError("holds no prompt", place=(path,), remedy="write one prompt a line")
    if comments:
        notes.insert(0, f"{counted(comments, 'line')} that {'begins' if comments == 1 else 'begin'} with # left out")
    return PromptList(prompts=tuple(first), notes=tuple(f"{path.name}: {note}" for note in notes))


def divided(prompts: Sequence[str], *, first: str = "", seed: int | None = None) -> StudyPrompts:
    """Divide prompts between the search and its proof, evenly over the list, so that both show the same kinds.

    Args:
        prompts: different ones, at least one where `first` is empty.
        first: a prompt that the search shows in any case, before the others.
        seed: that of its picture; None: one as for the others.

    Returns:
        From ``FEWEST_DIVIDED`` prompts on, search and proof have prompts of their own: half each, and from 32 on 16 and
        up to 24. Prompts of one part all have as many seeds, so that they count alike.
    """
    others = [text for text in prompts if text != first]
    total = len(others) + bool(first)
    searched, proved = _counts(total)
    mine = _spread(len(others), searched - bool(first))
    rest = [text for number, text in enumerate(others) if number not in mine]
    texts = [first] * bool(first) + [text for number, text in enumerate(others) if number in mine]
    search = _with_seeds(texts, seed if first else None)
    kept = _spread(len(rest), proved)
    used = {one for prompt in search for one in prompt.seeds}
    each = max(1, round(PROOF_PICTURES / (proved or searched)))
    return StudyPrompts(
        search=search,
        proof=tuple(text for number, text in enumerate(rest) if number in kept),
        proof_seeds=tuple(islice((one for one in count(FIRST_PROOF_SEED) if one not in used), each)),
        left=total - searched - proved,
    )


def _counts(total: int) -> tuple[int, int]:
    """How many of so many prompts the search takes, and how many others the proof."""
    if total < FEWEST_DIVIDED:
        return total, 0
    searched = min(total // 2, SEARCH_PICTURES)
    return searched, min(total - searched, PROOF_PICTURES)


def _spread(length: int, chosen: int) -> frozenset[int]:
    """So many places of a list, evenly over it."""
    return frozenset(place for place in range(length) if (place + 1) * chosen // length > place * chosen // length)


def _with_seeds(texts: Sequence[str], first: int | None) -> tuple[PromptSeeds, ...]:
    """The prompts of the search, each with as many seeds of its own as are needed."""
    each = ceil(SEARCH_PICTURES / len(texts))
    seeds = (one for one in count(FIRST_SEED) if one != first)
    rows = [list(islice(seeds, each)) for _ in texts]
    if first is not None:
        rows[0][0] = first
    return tuple(PromptSeeds(text=text, seeds=tuple(row)) for text, row in zip(texts, rows, strict=True))
