"""The commented study file that `recipe-search init` writes for a person's own checkpoints."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.architecture.widths import FamilyName
from engine.files import file_kind, write_text
from engine.modes.registry import MERGE_MODES, calculation_modes
from engine.recipes.blocks import ADJUST_FIELDS, ELEMENTS
from engine.shots.samplers import SAMPLERS, SCHEDULES
from scorers.catalogue.lookup import SCORERS
from search.plan import SAMPLERS as PROPOSERS
from search.space.build import DEFAULT_GROUPS, XL_GROUPS
from studies.errors import StudyError
from studies.studyfile.schema import (
    DEFAULT_ENCODER,
    DEFAULT_WEIGHTS,
    SAME,
    SCORERS_FOLDER,
    RenderTable,
    ScorersTable,
    SearchTable,
)
from studies.studyfile.schema_merge import RATIO_LIMITS, BlocksTable, MergeTable, SelfTable

_TEXT = """\
# A study: which checkpoints to merge, which look to search for, and how long.
#
#   recipe-search check @FILE@      what would fail, and how long it takes
#   recipe-search run @FILE@        search; run it again to go on after a stop
#   recipe-search show @FILE@       the finalists
#
# Paths are relative to this file. Lines that begin with # are comments; the values in them are the defaults.

[study]
name = @NAME@
seed = 0                     # another seed searches along another path
# folder = @FOLDER@

[models]                     # checkpoints of one family (SD1, SD2, SDXL), with text encoder and VAE inside (or see vae)
A = @A@
B = @B@
@C@

[merge]                      # what every trial does, in SuperMerger's words
@MODE@        # or, with three models, @MODES@
# calculation = @CALCULATION@     # or one of
@CALCULATIONS@
# The dialect is classic, for SDXL head, unless you set it: dialect = "2023". For extract: gamma = 0.3, beta = 0.0.
# separate = @SEPARATE@           # SDXL in the dialect head: true gives TIME, OUT and LABEL ratios of their own

[target]                     # 8 to 40 pictures of the target look, of different subjects: a folder or a list of files
references = @REFERENCES@
# The look in words counts 0.3 of the style: like = "flat illustration, bold outlines", unlike = "photo".
# With words 1 to 3 pictures are enough; words then count 0.7.

[render]                     # how every picture of the search is made; small pictures search faster
@SIZE@
# steps = @STEPS@
# sampler = @SAMPLER@       # named as in the WebUI, "DPM++ 2M Karras" and the like too; one of
@SAMPLERS@
# schedule = @SCHEDULE@     # the sampler's own; or one of
@SCHEDULES@
# rng = @RNG@                # "NV": the noise that a WebUI on an NVIDIA card draws
# s_noise = @S_NOISE@              # fresh noise is multiplied by it; eta = 0 to 1 sets how much of it there is
# [render.options] has emphasis, ngms, s_churn, sigma_min and more of what a WebUI keeps among its settings
# ensd = @ENSD@                   # the WebUI's "eta noise seed delta"
# cfg = @CFG@
# clip_skip = @CLIP_SKIP@
# prediction = @PREDICTION@        # what the models predict: "epsilon" or "v"; auto reads marks, and tests SD2
# ztsnr = @ZTSNR@             # zero terminal SNR: "on" or "off"; auto reads the files' marks
# another VAE than the merged one, for the pictures alone: vae = "models/some.vae.safetensors"
negative = "lowres, bad anatomy, worst quality"
# textual inversions, named in prompts by their files' names, from a folder: embeddings = "embeddings"
# {this|that} and __colour__ in prompts, decided once, with colour.txt from a folder: wildcards = "wildcards"
# Hires fix, a second pass over every enlarged picture. It costs: with sides twice as long, a step is the work of about
# six, so that these lines make a night seven times as long. Leave them out unless the look depends on them.
#   [render.hires]
#   upscaler = @UPSCALER@      # or None, Lanczos, Nearest, or ESRGAN and the like, from a folder in [render]: upscalers
#   scale = @SCALE@              # or resize = [1024, 0]
#   steps = @HIRES_STEPS@                # 0: as many as above
#   denoise = @DENOISE@            # sampler, schedule, cfg, prompt, negative: as above unless given

# What every candidate draws: each prompt with each of its seeds, always from the same noise. Prompts are read as in
# AUTOMATIC1111's WebUI, of any length, but for LoRA. More pictures tell recipes apart better and take longer.
[[prompts]]
text = "a girl reading in a garden, flowers, morning light"
seeds = [1, 2]

[[prompts]]
text = "a fox in the snow, forest"
seeds = [1, 2]

[[prompts]]
text = "a street at night, rain, neon signs"
seeds = [1, 2]
# negative = "people"        # for this prompt, instead of the one in [render]
# weight = 1                 # 2: each of its pictures counts twice as much as those of the others

# What only the finalists draw, to see whether they are better elsewhere too. Without prompts: those above. A prompt
# with a seed that the search has seen is refused.
[proof]
prompts = ["a portrait of an old man, window light", "a castle on a hill, sunset", "a cup of coffee on a table"]
seeds = [101, 102]

[space.blocks]               # one ratio a block: 0 is A, 1 is B (in Add difference, A with all of B - C)
# low = @LOW@                  # from @LEAST@
# high = @HIGH@                 # to @MOST@
# step = @STEP@               # the grid of what is tried
freeze = { BASE = 0.0 }      # BASE is the text encoder and the VAE; frozen blocks are not searched
# Single blocks, with a grid or without one: bounds = { OUT05 = [0.1, 0.4], OUT08 = [0, 0.5, 0.05] }
# Blocks that always have the ratio of another: ties = { OUT05 = "IN05" }
# Blocks that move together in the first stage:
@GROUPS@

# In Triple sum and sum Twice every block has a second ratio, with the same keys (but groups) in a table of its own:
#   [space.second]
#   high = 0.5

[space.self]                 # multipliers on parts of the merged model; elements: @ELEMENTS@
sites = @SITES@     # or "suggested": attn1 of every OUT block that has it
# low = @SELF_LOW@
# high = @SELF_HIGH@

[space.adjust]               # detail, contrast and colour; any of @FIELDS@
CONT = [-5, 5]
BRI = [-5, 5]                # with a grid: BRI = [-5, 5, 0.5]

# Words that the search chooses among, the usual one first; all of them cost trials:
#   [space.choices]
#   calculation = ["normal", "cosineA"]
#   vae = ["merged", "models/some.vae.safetensors"]

[search]                     # trials per stage; 0 leaves a stage out
# groups = @T_GROUPS@
# blocks = @T_BLOCKS@
# self = @T_SELF@
# adjust = @T_ADJUST@
# refine = @T_REFINE@              # all that proved to matter, together
# line = @T_LINE@                 # FLAT ratios more, near the best of 0, 0.25, 0.5, 0.75 and 1
# calibration = @T_CALIBRATION@          # random recipes, beside A, B and FLATs, that give the scorers their units
# patience = @T_PATIENCE@            # a stage ends after so many trials without a gain; 0: it uses all its trials
# fresh_seeds = false      # true: shots come again with new seeds when stages have drawn all; for long searches
# shots = "auto"           # pictures per trial: as many as the measured noise asks for; or a number
# recipes to try first, presets, rows of 26 weights or recipe files: begin = ["GRAD_V", "mine.toml"]
# the recipe that the stages after flat start from, whatever flat finds: start = "mine.toml"
# sampler = @T_SAMPLER@         # who proposes: @PROPOSERS@
# finalists = @T_FINALISTS@
# simplify = @T_SIMPLIFY@            # simpler versions of the winner that are tried; 0: none

# The encoder looks at all pictures, for style and prompts. Its file, and those that scorers need, are looked for in the
# folder by their published names; `recipe-search scorers list` says which there are, `scorers get NAME` fetches them.
# Files in other places are named: files = { csd = "models/csd.bin", laion = "models/laion.pth" }.
[scorers]
encoder = @ENCODER@          # or two files: { config = "ViT-L-14", weights = "models/mine.safetensors" }
# folder = @SCORERS_FOLDER@
# weights = @WEIGHTS@   # what counts how much; 0 is only reported
# Scorers: @SCORERS@;
# a file with score(image, prompt) in quotes, "mine.py", or "mine.py:Class". It is stopped after time_limit seconds:
# time_limit = @TIME_LIMIT@
# A scorer whose noise hides what the first recipes differ by is switched off, but for those named: keep = ["style"]

[device]
# device = "auto"            # cpu, cuda or cuda:0
# precision = "auto"         # fp32, fp16 or bf16
"""


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
    """
    given = {"NAME": name, "FOLDER": f"runs/{name}", "A": a, "B": b, "REFERENCES": references}
    given |= {"ENCODER": encoder}
    values = {key: _quoted(text) for key, text in given.items()} | {"FILE": file} | _defaults()
    values |= _model_lines(c, mode or ("Add difference" if c else "")) | _family_lines(family)
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], _TEXT)


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
