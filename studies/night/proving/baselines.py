"""What a proof compares finalists with: the models as they are, the usual FLAT mixes, and the best one of the line."""

from __future__ import annotations

from collections.abc import Sequence

from search.history import TrialRecord, top
from search.space.baselines import flat_name, flats, parents
from studies.candidate import Candidate
from studies.studyfile.spec import Rendering, SearchSettings


def baselines_of(
    search: SearchSettings, rendering: Rendering, history: Sequence[TrialRecord] = ()
) -> dict[str, Candidate]:
    """Return the baselines by label: the models, FLAT_25, 50 and 75, then the best FLAT mix of stage `flat`.

    A person who looks at the line picks its best FLAT mix, be that FLAT_40: a recipe that beats FLAT_50 alone has found
    nothing. Where its ratio is a usual one, it is there already.

    Args:
        search: whose space and knobs are meant.
        rendering: gives the VAE.
        history: all trials; none: the line is left out.
    """
    recipes = parents(search.space) | flats(search.space)
    found = {label: rendering.baseline(recipe) for label, recipe in recipes.items()}
    tried = [one for one in history if one.stage == "flat" and search.space.is_flat(one.point)]
    for best in top(tried, 1):
        blocks = [best.point[knob.name] for knob in search.space.of_kind("block")]
        label = flat_name(search.space, blocks[0]) if len(set(blocks)) == 1 else ""
        if label and label not in found:
            found[label] = search.candidate(best.point)
    return found
