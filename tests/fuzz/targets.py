"""Everything that reads a file or a text of people or other programs, each with valid examples to start from."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.vae import read_vae
from engine.errors import Problems
from engine.prompts.attention import parse_attention
from engine.prompts.check import check_prompt
from engine.prompts.chunks import chunks_of
from engine.prompts.embedding_file import read_embedding
from engine.prompts.schedule import resolved_texts
from engine.recipes.file import read_recipe_file
from engine.recipes.presets import read_presets
from engine.recipes.recipe import Recipe
from engine.shots.infotext import read_fields, shot_settings, unfollowed
from engine.shots.shot import Shot
from scorers.catalogue.tensor_files import read_tensors
from scorers.encoders.files import read_config
from scorers.encoders.preprocess import load_picture
from studies.pictures.pictures import parameters_of
from studies.pictures.plot_axes import read_axis
from studies.pictures.plot_kinds import AXIS_KINDS
from studies.pictures.settings import read_seeds
from studies.recipes.inputs import InputOptions, read_input
from studies.recipes.plots import parse_axis
from studies.review.judging.picks import Pick, read_picks
from studies.review.judging.rejections import Rejection, read_rejections
from studies.review.verification import verify_export
from studies.store.backends.journal.journal import refuse_damage, repair
from studies.store.judged.outcome import read_outcome
from studies.store.judged.pins import read_pins
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.fuzz.foreign import CARDS, CARRIED, CARRIED_JSON, GRAPHS, MERGEKIT, TOOL_METADATA, VERIFIED
from tests.fuzz.samples import ELEMENTAL, HISTORY, INFOTEXT, METADATA, PROMPTS, RECIPE, STUDY, WEIGHTS

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader and what it reads.

    Attributes:
        name: in tests and tables.
        file: the name under which the changed bytes are written.
        seeds: whole, valid contents.
        read: is given the file's path.
    """

    name: str
    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]


def targets() -> tuple[Target, ...]:
    """All of them."""
    return (*_recipe_targets(), *_text_targets(), *_study_targets(), *_binary_targets())


def _recipe_targets() -> Iterable[Target]:
    yield _file("recipe file", "recipe.toml", RECIPE, read_recipe_file)
    for kind, texts in (("history", HISTORY), ("metadata", METADATA), ("weights", WEIGHTS), ("elemental", ELEMENTAL)):
        yield _file(f"{kind} text", f"input.{kind}.txt", texts, _reading(kind))
    foreign = (("mergekit", MERGEKIT), ("comfyui", GRAPHS), ("card", CARDS))
    for kind, texts in foreign:
        yield _file(f"{kind} text", f"input.{kind}.txt", texts, _reading(kind))
    yield _file("tools' metadata", "tools.metadata.txt", TOOL_METADATA, _reading("metadata"))
    yield _file("our recipe in a text", "ours.py", CARRIED, _reading(None))
    yield _file("our recipe in JSON", "ours.json", CARRIED_JSON, _reading(None))
    yield _file("text to verify", "mix.mergekit.yaml", VERIFIED, lambda path: verify_export(path, (), None))
    yield _file("adjust text", "adjust.txt", ["0,0,0,-1,1,1,1", "0,0,0,0,0,0,0,7"], _reading("adjust"))
    presets = ["preset_name\tpreset_weights\nGRAD_V\t" + ",".join(["0.5"] * 26) + "\nMINE:" + ",".join(["1"] * 20)]
    yield _file("preset file", "presets.txt", presets, read_presets)
    axes = ["mbw alpha=ALL_A\\nALL_B", "elemental=OUT05:attn1:0.5", "seed=-1,1,2"]
    yield _text("SuperMerger's axis", axes, parse_axis)


def _reading(kind: str | None) -> Callable[[Path], object]:
    return lambda path: read_input(str(path), InputOptions(kind=kind))


def _text_targets() -> Iterable[Target]:
    yield _text("attention", PROMPTS, parse_attention)
    yield _text("schedule", PROMPTS, lambda text: resolved_texts(text, 20))
    yield _text("chunks", PROMPTS, chunks_of)
    yield _text("prompt check", PROMPTS, check_prompt)
    yield _text("infotext", INFOTEXT, _shot)
    yield _text("seeds", ["7", "1-4", "1,5,8-9"], lambda text: read_seeds([text]))
    for name, kind in AXIS_KINDS.items():
        yield _text(f"axis {name}", ["1,2,3", "5-9(+2)", "1-2[3]", "a b,Euler a", "512x640"], _axis_reader(kind))


def _axis_reader(kind: Any) -> Callable[[str], object]:
    def read(text: str) -> object:
        return read_axis("X", kind, text, [], None, Problems())

    return read


def _shot(text: str) -> object:
    fields = read_fields(text)
    unfollowed(fields)
    settings: dict[str, Any] = {"prompt": "", "seed": 1} | shot_settings(fields)
    return Shot(**settings)


def _study_targets() -> Iterable[Target]:
    yield _file("study file", "study.toml", [STUDY, (GOLDEN / "study_0_1" / "study.toml").read_text()], read_study_file)
    outcome = (GOLDEN / "study_0_1" / "outcome.json").read_text()
    yield _file("outcome", "outcome.json", [outcome], lambda path: read_outcome(path.parent))
    pin = (GOLDEN / "study_0_1" / "001-aa8fff82.json").read_text()
    yield _file("pins", "pins/001-aa8fff82.json", [pin], lambda path: read_pins(path.parent.parent))
    one, other = Recipe.flat(0.25).text, Recipe.flat(0.75).text
    pick = asdict(
        Pick(left=one, right=other, shots="c", index=0, prompt="a cat", seed=1, answer="left", at="2026-01-01")
    )
    lines = [pick, pick | {"answer": "undone"}, pick | {"answer": "skipped", "note": "odd"}]
    picks = "".join(json.dumps(line) + "\n" for line in lines)
    yield _file("picks", "picks.jsonl", [picks], lambda path: read_picks(path.parent))
    no = asdict(Rejection(label="best", recipe=one, reason="other", text="odd", by="me", at="2026"))
    yield _file("rejections", "rejections.jsonl", [json.dumps(no) + "\n"], lambda path: read_rejections(path.parent))
    journal = gzip.decompress((GOLDEN / "study_0_1" / "done.jsonl.gz").read_bytes())
    yield Target(name="journal", file="journal.log", seeds=(journal,), read=_damage)
    yield Target(name="journal to mend", file="journal.log", seeds=(journal,), read=_mended)
    config: dict[str, Any] = {"embed_dim": 32, "vision_cfg": {"layers": 2}, "text_cfg": {"layers": 2}}
    configs = [json.dumps(config), json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3}})]
    yield _file("encoder config", "encoder.json", configs, read_config)


def _damage(path: Path) -> object:
    return refuse_damage(path.parent, "small")


def _mended(path: Path) -> object:
    """Whatever is damaged, what `run --repair` leaves is a journal that can be opened."""
    repair(path.parent, "small")
    return StudyStore(path.parent, "small").trials()


def _binary_targets() -> Iterable[Target]:
    small = save({"a.weight": torch.zeros(2, 3), "b": torch.ones(1).half()}, {"format": "pt"})
    whole = (GOLDEN / "merges" / "edge_A_fp16.safetensors").read_bytes()
    yield Target(name="checkpoint", file="model.safetensors", seeds=(small, whole), read=_open)
    yield Target(name="metadata in a file", file="merged.safetensors", seeds=(_merged(),), read=_reading("metadata"))
    yield Target(name="VAE", file="vae.safetensors", seeds=(small, whole), read=read_vae)
    yield Target(name="VAE pickle", file="vae.pt", seeds=(_pickled({"decoder.a": torch.zeros(2)}),), read=read_vae)
    vectors = {"string_to_param": {"*": torch.zeros(2, 4)}}
    plain = save({"emb_params": torch.ones(2, 4)})
    yield Target(name="embedding", file="e.safetensors", seeds=(plain,), read=read_embedding)
    yield Target(name="embedding pickle", file="e.pt", seeds=(_pickled(vectors),), read=read_embedding)
    yield Target(name="weights", file="w.safetensors", seeds=(small,), read=read_tensors)
    yield Target(name="weights pickle", file="w.pth", seeds=(_pickled({"a": torch.zeros(2)}),), read=read_tensors)
    yield Target(name="picture", file="picture.png", seeds=_pictures(), read=load_picture)
    yield Target(name="picture's text", file="picture.png", seeds=_pictures(), read=parameters_of)


def _open(path: Path) -> object:
    checkpoint = open_checkpoint(path)
    return [checkpoint.read(key) for key in list(checkpoint.shapes)[:2]]


def _merged() -> bytes:
    return save({"a": torch.zeros(1)}, {"sd_merge_recipe": METADATA[0], "sd_merge_models": "{}"})


def _pickled(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _pictures() -> tuple[bytes, ...]:
    kinds = (("JPEG", "RGB"), ("WEBP", "RGBA"), ("GIF", "P"), *(("PNG", mode) for mode in ("RGB", "LA", "P", "I;16")))
    return tuple(_picture(kind, mode) for kind, mode in kinds)


def _picture(kind: str, mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (20, 12)).save(buffer, kind, **({"pnginfo": _text_chunk()} if kind == "PNG" else {}))
    return buffer.getvalue()


def _text_chunk() -> PngInfo:
    chunk = PngInfo()
    chunk.add_text("parameters", INFOTEXT[0])
    return chunk


def _file(name: str, file: str, texts: Iterable[str], read: Callable[[Path], object]) -> Target:
    return Target(name=name, file=file, seeds=tuple(text.encode() for text in texts), read=read)


def _text(name: str, texts: Iterable[str], read: Callable[[str], object]) -> Target:
    def decoded(path: Path) -> object:
        return read(path.read_bytes().decode("utf-8", "surrogateescape"))

    return Target(name=name, file="text.txt", seeds=tuple(text.encode() for text in texts), read=decoded)


def prepared(target: Target, folder: Path) -> Path:
    """The path that the target's bytes are written to, its folders made."""
    path = folder / target.file
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
