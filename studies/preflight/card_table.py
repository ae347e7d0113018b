"""The table of graphics cards in the documents: what lies where on each, by the plan that nights follow.

``python -m studies.preflight.card_table`` prints it; with ``--write`` it goes into every document that has its marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.architecture.widths import REAL, FamilyName
from engine.files import write_text
from engine.footprint.demand import Demand, Room
from engine.footprint.plan import MemoryPlan, choose
from engine.footprint.weights import PartBytes, live_bytes
from studies.amounts import CARD_GB

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "README.ja.md", ROOT / "studies/README.md")
"""Where the table may be; a name with `.ja` is of a document in Japanese."""
BEGIN = "<!-- Made by `python -m studies.preflight.card_table --write`. -->\n"
"""The line after which the table begins."""
END = "<!-- End of the table of cards. -->\n"
"""The line before which it ends."""
CARDS = (8, 12, 16, 24)
"""Sizes of cards in GB, as their names have them."""
SIZES: Mapping[FamilyName, tuple[int, int]] = {"sd1": (512, 768), "sdxl": (1024, 1024)}
"""Width and height of the pictures, by family."""
PICTURES = 4
"""Pictures of a trial."""
ENCODER_BYTES = 1_710_000_000
"""The encoder that a study takes where it names none, CLIP-L in float32."""
RAM_BYTES = 32 * 2**30
"""Main memory of the machine around the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWords:
    """The words of the table in one language."""

    columns: tuple[str, ...]
    """Heads of the columns."""
    families: Mapping[FamilyName, str]
    near: str
    """That some of the parents lie on the card; has places for `residence`, `near` and `all`."""
    strips: str
    stay: str
    """That text encoders, VAE and the scorers' encoders are always on the card."""
    wait: str
    """That they wait in main memory while others are at work."""
    nothing: str


ENGLISH = TableWords(
    columns=("card", "model, pictures", "`parents`", "at once", "VAE", "encoders", "a trial moves at most"),
    families={"sd1": "SD1.5, 512 x 768", "sdxl": "SDXL, 1024 x 1024"},
    near="`{residence}`, {near} of {all} on the card",
    strips=" in strips",
    stay="on the card",
    wait="wait in main memory",
    nothing="nothing",
)
JAPANESE = TableWords(
    columns=(
        "GPU",
        "モデルと画像",
        "親モデル `parents`",
        "同時に描く枚数",
        "VAE",
        "エンコーダー",
        "1 試行の最大転送量",
    ),
    families={"sd1": "SD1.5、512 x 768", "sdxl": "SDXL、1024 x 1024"},
    near="`{residence}`、{all} のうち {near} を GPU に",
    strips="、帯ごとに分割",
    stay="GPU に常駐",
    wait="使わない間はメインメモリ",
    nothing="なし",
)


def plan_of(card: int, family: FamilyName) -> MemoryPlan:
    """Return the plan of a usual study on a card: two parents in fp16, BASE frozen, four pictures, CLIP-L.

    Args:
        card: GB, as in the card's name.
        family: of the models.
    """
    widths, (width, height) = REAL[family], SIZES[family]
    demand = Demand(
        widths=widths,
        precision="fp16",
        width=width,
        height=height,
        pictures=PICTURES,
        parents=PartBytes(unet=2 * live_bytes(widths, "fp16", "fp16").unet),
        scorers=ENCODER_BYTES,
    )
    return choose(demand, Room(device=card * CARD_GB, ram=RAM_BYTES, is_gpu=True))


def card_table(words: TableWords) -> str:
    """Return the table in Markdown."""
    rows = [words.columns, ("---",) * len(words.columns), *_rows(words)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows(words: TableWords) -> Iterator[tuple[str, ...]]:
    for family, name in words.families.items():
        for card in CARDS:
            plan = plan_of(card, family)
            near, whole = _gigabytes(plan.on_device), _gigabytes(plan.demand.parents.total)
            told = words.near.format(residence=plan.residence, near=near, all=whole)
            parents = f"`{plan.residence}`" if plan.residence == "device" else told
            vae = plan.form.vae + words.strips * plan.form.strips
            moves = f"{_gigabytes(plan.bus_bytes)}, {plan.seconds:.1f} s" if plan.bus_bytes else words.nothing
            encoders = words.wait if plan.form.waits else words.stay
            yield f"{card} GB", name, parents, str(plan.batch), vae, encoders, moves


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def document_with(path: Path, text: str) -> str:
    """Return a document's text with the table between its marks; the same where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        return text
    return before + begin + "\n" + card_table(JAPANESE if ".ja" in path.suffixes else ENGLISH) + "\n" + end + after


def main(arguments: list[str]) -> None:
    """Print the tables, or write them into the documents."""
    if "--write" not in arguments:
        sys.stdout.write(f"{card_table(ENGLISH)}\n{card_table(JAPANESE)}")
        return
    for path in DOCUMENTS:
        write_text(path, document_with(path, path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(sys.argv[1:])
