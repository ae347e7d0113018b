"""The path of an article by which a merge is made by hand, on the sample world: every step is a command.

FLAT line and blocks make ``alpha``; another parent goes into it; Self makes ``beta``; Adjust makes the final model,
which is then shown in many situations, and gets a card of recommended settings. Each stage is a study that begins with
what the one before made, and the last export has all of them in one recipe.

Run it with ``python -m studies.sample.examples.article_path``. It writes into the folder ``article-path`` where it is
run, prints every command before it runs it, and goes on where it was when it is run again.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import tomlkit

from studies.sample.world import STUDY, write_world

Run = Callable[[Sequence[str], Path], None]
"""Runs ``recipe-search`` with some words in a folder; what goes wrong is an error."""

FLAT = """
format = 1
dialect = "classic"
family = "sd1"

[models]
A = "models/closeups.safetensors"
B = "models/lamplight.safetensors"

[[steps]]
kind = "merge"
alpha = { flat = 0.5, BASE = 0 }
"""
"""What the first plot varies."""
THIRD = FLAT.replace("flat = 0.5", "flat = 0.2, OUT04 = 0.9, OUT05 = 0.9, OUT06 = 0.9, OUT07 = 0.9")
"""The third parent: a merge of somebody who does not tell its recipe."""
SUITE = STUDY.with_name("suite")
"""The situations of the sample world: what it can draw, in lists for Dynamic Prompts."""
NO_TRIALS = dict.fromkeys(("line", "groups", "blocks", "self", "adjust", "refine", "simplify"), 0)
"""A plan without anything but its first recipes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A study of the path.

    Attributes:
        name: of the study and its file.
        makes: the checkpoint that is made of what it finds.
        plan: its trials by stage of the search.
        begin: the options of `recipe-search init` beside the file and its name.
        why: why its recipe is approved.
    """

    name: str
    makes: str
    plan: Mapping[str, int]
    begin: tuple[str, ...]
    why: str


STAGES = (
    Stage(
        name="alpha",
        makes="models/alpha.safetensors",
        plan={"line": 2, "groups": 6, "blocks": 4},
        begin=(
            *("-a", "models/closeups.safetensors", "-b", "models/lamplight.safetensors"),
            *("--references", "models/references", "--prompts", "prompts.txt"),
        ),
        why="close by, and the light of a lamp",
    ),
    Stage(
        name="alpha2",
        makes="models/alpha2.safetensors",
        plan={"groups": 4, "blocks": 4},
        begin=("--from", "alpha.toml", "-a", "models/alpha.safetensors", "-b", "models/third.safetensors"),
        why="a little of the third parent",
    ),
    Stage(
        name="beta",
        makes="models/beta.safetensors",
        plan={"self": 6},
        begin=("--from", "alpha2.toml", "-a", "models/alpha2.safetensors"),
        why="the gloss of the background",
    ),
    Stage(
        name="final",
        makes="models/final.safetensors",
        plan={"adjust": 6},
        begin=("--from", "beta.toml", "-a", "models/beta.safetensors"),
        why="contrast and colour",
    ),
)
"""The stages of the path."""


def path(folder: Path, run: Run, *, short: bool = False) -> None:
    """Go the whole path, from where it was.

    Args:
        folder: for models, studies and pictures; made if need be.
        run: runs the commands.
        short: with small pictures and next to no trials, to see that it works.
    """
    _write_parents(folder, run)
    _flat_line(folder, run)
    for stage in STAGES:
        _stage(folder, run, stage, short=short)
    _final_model(folder, run)
    _situations(folder, run, short=short)
    _settings(folder, run, short=short)


def _write_parents(folder: Path, run: Run) -> None:
    """The two models of the sample world, a third one that carries no recipe, references and prompts."""
    write_world(folder / "models")
    texts = [prompt["text"] for prompt in tomlkit.parse(STUDY.read_text(encoding="utf-8")).unwrap()["prompts"]]
    _write(folder / "prompts.txt", "\n".join(texts) + "\n")
    _write(folder / "flat.toml", FLAT)
    _write(folder / "third.toml", THIRD)
    if not (folder / "models" / "third.safetensors").exists():
        run(("merge", "third.toml", "models/third.safetensors", "--no-recipe"), folder)


def _flat_line(folder: Path, run: Run) -> None:
    """The first look: FLAT mixes over some seeds."""
    line, seeds = ("-x", "mbw alpha=FLAT_25\\nFLAT_50\\nFLAT_75"), ("-y", "Seed", "--seed", "1-3")
    prompt = ("-p", "a blue cat in the forest", "--no-caption")
    if not (folder / "1-flat-line.png").exists():
        run(("plot", "flat.toml", "1-flat-line.png", *line, *seeds, *prompt, *_shot(folder)), folder)


def _stage(folder: Path, run: Run, stage: Stage, *, short: bool) -> None:
    """One study: its file, its night, the approval of what it found, the checkpoint."""
    study = f"{stage.name}.toml"
    if not (folder / study).exists():
        run(("init", study, *stage.begin, "--name", stage.name), folder)
        edit(folder / study, _changes(stage, short=short))
    if not [*(folder / "runs" / stage.name).glob("pins/*.json")]:
        run(("run", study), folder)
        run(("approve", study, "--finalist", "1", "--note", stage.why), folder)
    if not (folder / stage.makes).exists():
        run(("export", study, "--out", stage.makes), folder)


def _changes(stage: Stage, *, short: bool) -> dict[str, Any]:
    """What a person would change in the file that `recipe-search init` wrote."""
    plan = NO_TRIALS | {name: min(count, 1) if short else count for name, count in stage.plan.items()}
    found: dict[str, Any] = {f"search.{name}": count for name, count in plan.items()} | {"search.finalists": 2}
    if stage.name == "alpha":  # what the later ones take over
        size, steps = (64, 2) if short else (128, 8)
        found |= {"render.width": size, "render.height": size, "render.steps": steps, "render.negative": ""}
        found |= {"render.cfg": 5.0, "render.sampler": "DPM++ 2M Karras", "search.shots": 4 if short else 8}
        found |= {
            "space.self.sites": ["OUT09:attn1", "OUT09:attn2"],
            "space.adjust": {"CONT": [-5, 5], "COL1": [-5, 5]},
        }
        clip = {"config": "models/sample-clip.json", "weights": "models/sample-clip.safetensors"}
        found |= {"scorers.encoder": clip, "search.calibration": 2 if short else 3}
        found |= {"proof.seeds": [1001] if short else [1001, 1002]}
    return found


def _final_model(folder: Path, run: Run) -> None:
    """The final checkpoint, all stages in one recipe, and what each of them changed, side by side."""
    models = ("closeups", "lamplight", "third", "alpha", "alpha2", "beta", "final")
    if not (folder / "2-stages.png").exists():
        sources = [f"models/{name}.safetensors" for name in models]
        prompts = [word for text in _shown(folder) for word in ("-p", text)]
        axes = ("-x", "Prompt", "-y", "Checkpoint name", "--seed", "4", "--no-caption")
        run(("plot", *sources, "2-stages.png", *axes, *prompts, *_shot(folder)), folder)
    run(("show", "final.toml", "--top", "3"), folder)
    run(("verify", "models/final.safetensors", "--recipe", "models/final.chain.toml"), folder)
    run(("export", "final.toml", "--to", "card", "--out", "final.card.md", "--overwrite"), folder)
    words = ("--chain", "--to", "supermerger", "--out", "final-supermerger.txt", "--overwrite")
    run(("export", "final.toml", *words), folder)


def _situations(folder: Path, run: Run, *, short: bool) -> None:
    """The final model in many situations, beside the first parents."""
    copytree(SUITE, folder / "suite", dirs_exist_ok=True)
    words = ("--suite", "suite", "--seeds", "2" if short else "4")
    run(("situations", "alpha.toml", "models/final.safetensors", *words), folder)


def _settings(folder: Path, run: Run, *, short: bool) -> None:
    """The settings that suit the final model, one after another, with a card of them."""
    tries = ("Sampler=Euler a,DPM++ 2M Karras", "CFG Scale=3-7(+2)", "Steps=6,8,12", "Clip skip=1")
    asked = [word for text in (tries[:1] + tries[3:] if short else tries) for word in ("--try", text)]
    run(("settings", "alpha.toml", "models/final.safetensors", *asked, "--pictures", "4" if short else "8"), folder)


def _shown(folder: Path) -> list[str]:
    return (folder / "prompts.txt").read_text(encoding="utf-8").splitlines()[1:4]


def _shot(folder: Path) -> tuple[str, ...]:
    """The settings of plots: those of the studies, once there is one."""
    settings: dict[str, Any] = {"width": 128, "height": 128, "steps": 8, "cfg": 5.0, "sampler": "DPM++ 2M Karras"}
    if (folder / "alpha.toml").exists():
        render = tomlkit.parse((folder / "alpha.toml").read_text(encoding="utf-8")).unwrap()["render"]
        settings = {name: render[name] for name in settings}
    return tuple(word for name, value in settings.items() for word in (f"--{name}", str(value)))


def edit(file: Path, changes: Mapping[str, Any]) -> None:
    """Change values of a study file as a person would, and print what is changed.

    Args:
        file: the study file.
        changes: new values by key, with dots between tables and keys.
    """
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    for name, value in changes.items():
        *tables, key = name.split(".")
        table: Any = document
        for one in tables:
            table = table.setdefault(one, tomlkit.table())
        table[key] = value
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    print(f"edited {file.name}: {', '.join(f'{name} = {value}' for name, value in changes.items())}")


def _write(file: Path, text: str) -> None:
    if not file.exists():
        file.write_text(text, encoding="utf-8")


def typed(words: Sequence[str], folder: Path) -> None:
    """Run ``recipe-search`` as from a terminal, after printing what is typed."""
    print(f"\n$ recipe-search {shlex.join(words)}", flush=True)
    code = "from studies.cli.main import main; main(prog_name='recipe-search')"
    subprocess.run([sys.executable, "-c", code, *words], cwd=folder, check=True)


if __name__ == "__main__":
    path(Path("article-path"), typed, short="--short" in sys.argv[1:])
