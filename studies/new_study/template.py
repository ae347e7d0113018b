"""The commented study file that `recipe-search init` writes for a person's own checkpoints."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.architecture.widths import FamilyName
from engine.files import file_kind, write_text
from engine.modes.registry import MERGE_MODES, calculation_modes
from engine.recipes.blocks import ADJUST_FIELDS, ELEMENTS
from engine.shots.samplers import SAMPLERS, SCHEDULES
from scorers.catalogue.lookup import SCORERS
from search.plan import SAMPLERS as PROPOSERS
from search.space.build import DEFAULT_GROUPS, XL_GROUPS
from studies.errors import StudyError
from studies.new_study.from_picture import PictureSettings
from studies.new_study.prompts import USUAL_PROMPTS, StudyPrompts, divided
from studies.new_study.template_text import TEXT
from studies.studyfile.tables.schema import (
    DEFAULT_ENCODER,
    DEFAULT_WEIGHTS,
    SAME,
    SCORERS_FOLDER,
    RenderTable,
    ScorersTable,
    SearchTable,
)
from studies.studyfile.tables.schema_measures import SituationsTable
from studies.studyfile.tables.schema_merge import RATIO_LIMITS, BlocksTable, MergeTable, SelfTable

NEGATIVE = "lowres, bad anatomy, worst quality"
"""The negative prompt of a new study where no picture gives one."""


def study_template(
    *,
    file: str = "study.toml",
    name: str = "my-mix",
    a: str = "models/a.safetensors",
    b: str = "models/b.safetensors",
    c: str = "",
    mode: str = "",
    references: str = "references",
    encoder: str = DEFAULT_ENCODER,
    family: FamilyName = "sd1",
    like: str = "",
    unlike: str = "",
    prompts: StudyPrompts | None = None,
    picture: PictureSettings | None = None,
) -> str:
    """Return a commented study file; paths are written as given.

    Args:
        file: its own name, for the commands in its head.
        name: the study's name.
        a: path of model A.
        b: path of model B.
        c: path of model C, or "".
        mode: merge mode; "" is Weight sum, with a third model Add difference.
        references: a folder.
        encoder: name of a known one.
        family: of the models; it decides groups, sites and the size of pictures.
        like: the look in words, or "".
        unlike: what it is set against, or "".
        prompts: what search and proof draw; None: our own prompts.
        picture: settings that a picture gave; None: the usual ones.
    """
    taken = picture or PictureSettings()
    given = {"NAME": name, "FOLDER": f"runs/{name}", "A": a, "B": b, "REFERENCES": references}
    given |= {"ENCODER": encoder, "NEGATIVE": taken.render.get("negative", NEGATIVE)}
    values = {key: _quoted(text) for key, text in given.items()} | {"FILE": file} | _defaults()
    values |= _model_lines(c, mode or ("Add difference" if c else "")) | _family_lines(family)
    values |= _prompt_lines(prompts or divided(USUAL_PROMPTS)) | _picture_lines(taken)
    words = {"like": like, "unlike": unlike}
    values["LOOK"] = "".join(f"{key} = {_quoted(text)}\n" for key, text in words.items() if text)
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], _with_settings(TEXT, taken.render))


def _with_settings(text: str, render: Mapping[str, Any]) -> str:
    """The text where the comment of a default is the setting of a picture."""
    for key, value in render.items():
        text = text.replace(f"\n# {key} = @{key.upper()}@", f"\n{key} = {_toml(value)}", 1)
    if "width" in render and "height" in render:
        text = text.replace("@SIZE@", f"width = {render['width']}\nheight = {render['height']}")
    return text


def _picture_lines(taken: PictureSettings) -> dict[str, str]:
    """Settings of a picture that have no line of their own in the text."""
    tables = {"hires": taken.hires or {}, "options": taken.options}
    blocks = [
        f"\n[render.{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        for name, table in tables.items()
        if table
    ]
    eta = f"eta = {_toml(taken.render['eta'])}\n" if "eta" in taken.render else ""
    return {"ETA": eta, "TABLES": "".join(blocks)}


def _prompt_lines(prompts: StudyPrompts) -> dict[str, str]:
    """The prompts of search and proof."""
    tables = [f"[[prompts]]\ntext = {_quoted(one.text)}\nseeds = {list(one.seeds)}" for one in prompts.search]
    texts = "".join(f"    {_quoted(text)},\n" for text in prompts.proof)
    own = f"prompts = [\n{texts}]\n" if prompts.proof else ""
    return {"PROMPTS": "\n\n".join(tables), "PROOF": f"{own}seeds = {list(prompts.proof_seeds)}"}


def _toml(value: object) -> str:
    """Return a value of a setting as TOML."""
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _model_lines(c: str, mode: str) -> dict[str, str]:
    usual = MergeTable().mode
    third = '# A third one, for the modes that take three: C = "models/c.safetensors"'
    return {
        "C": f"C = {_quoted(c)}" if c else third,
        "MODE": f"mode = {_quoted(mode)}" if mode else f"# mode = {_quoted(usual)}",
        "MODES": ", ".join(f'"{name}"' for name in MERGE_MODES if name != usual),
    }


def _family_lines(family: FamilyName) -> dict[str, str]:
    """What differs for SDXL."""
    render, large = RenderTable(), family == "sdxl"
    return {
        "SIZE": "width = 1024\nheight = 1024" if large else f"# width = {render.width}\n# height = {render.height}",
        "GROUPS": _group_lines(XL_GROUPS if large else DEFAULT_GROUPS),
        "SITES": '["OUT03:attn1", "OUT05:attn1"]' if large else '["OUT05:attn1", "OUT08:attn1"]',
    }


def write_template(path: Path, text: str) -> None:
    """Write a new study file.

    Raises:
        StudyError: the file already exists, or its folder cannot be written.
    """
    if file_kind(path):
        raise StudyError("already exists", place=(path,), remedy="remove it first, or name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise StudyError(f"cannot be written ({error.strerror})", place=(path,), remedy="name another place") from error


def _quoted(text: str) -> str:
    """Return a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _defaults() -> dict[str, str]:
    """Return every default that the comments mention, from where it is defined."""
    render, merge, blocks, multipliers, search = RenderTable(), MergeTable(), BlocksTable(), SelfTable(), SearchTable()
    modes = calculation_modes().values()
    searched = (mode.name for mode in modes if mode.name != merge.calculation and not mode.not_searched)
    return {
        "STEPS": str(render.steps),
        "SAMPLER": _quoted(render.sampler),
        "SAMPLERS": _names(SAMPLERS),
        "SCHEDULE": _quoted(render.schedule),
        "SCHEDULES": _names(name for name in SCHEDULES if name != render.schedule),
        "RNG": _quoted(render.rng),
        "S_NOISE": str(render.s_noise),
        "ENSD": str(render.ensd),
        "CFG": str(render.cfg),
        "CLIP_SKIP": str(render.clip_skip),
        "PREDICTION": _quoted(render.prediction),
        "ZTSNR": _quoted(render.ztsnr),
        "UPSCALER": _quoted(SAME.upscaler),
        "SCALE": str(SAME.scale),
        "HIRES_STEPS": str(SAME.steps),
        "DENOISE": str(SAME.denoise),
        "CALCULATION": _quoted(merge.calculation),
        "CALCULATIONS": _names(searched),
        "SEPARATE": str(merge.separate).lower(),
        "LEAST": f"{RATIO_LIMITS[0]:g}",
        "MOST": f"{RATIO_LIMITS[1]:g}",
        "STEP": str(blocks.step),
        "LOW": str(blocks.low),
        "HIGH": str(blocks.high),
        "ELEMENTS": ", ".join(ELEMENTS),
        "SELF_LOW": str(multipliers.low),
        "SELF_HIGH": str(multipliers.high),
        "FIELDS": ", ".join(ADJUST_FIELDS),
        "T_GROUPS": str(search.groups),
        "T_BLOCKS": str(search.blocks),
        "T_SELF": str(search.self_),
        "T_ADJUST": str(search.adjust),
        "T_REFINE": str(search.refine),
        "T_CALIBRATION": str(search.calibration),
        "T_LINE": str(search.line),
        "T_PATIENCE": str(search.patience),
        "T_SAMPLER": f'"{search.sampler}"',
        "T_SIMPLIFY": str(search.simplify),
        "PROPOSERS": ", ".join(PROPOSERS),
        "T_FINALISTS": str(search.finalists),
        "WEIGHTS": "{ " + ", ".join(f"{name} = {weight}" for name, weight in DEFAULT_WEIGHTS.items()) + " }",
        "SCORERS_FOLDER": _quoted(SCORERS_FOLDER),
        "TIME_LIMIT": f"{ScorersTable().time_limit:g}",
        "SITUATION_SEEDS": str(SituationsTable().seeds),
        "SCORERS": ", ".join(known.name for known in SCORERS),
    }


def _names(names: Iterable[str]) -> str:
    """Return names as lines of comment."""
    return textwrap.fill(", ".join(names), 100, initial_indent="#     ", subsequent_indent="#     ")


def _group_lines(groups: Mapping[str, tuple[str, ...]]) -> str:
    """Return the groups as commented TOML, each a range."""
    lines = [
        f'# groups.{name} = ["{blocks[0]}{f"-{blocks[-1]}" if len(blocks) > 1 else ""}"]'
        for name, blocks in groups.items()
    ]
    return "\n".join(lines)
