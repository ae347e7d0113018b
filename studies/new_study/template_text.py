"""The text of a new study file, with places for what differs: `@NAME@`."""

from __future__ import annotations

TEXT = """\
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
# keep = "all"                 # or "best" (50), or a number: how many of the best trials keep their pictures
# notify = []                  # a command to run when a night ends, such as ["notify-send", "night ended"]

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
@LOOK@# The look in words counts 0.3 of the style: like = "flat illustration, bold outlines", unlike = "photo".
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
@ETA@# [render.options] has emphasis, ngms, s_churn, sigma_min and more of what a WebUI keeps among its settings
# ensd = @ENSD@                   # the WebUI's "eta noise seed delta"
# cfg = @CFG@
# clip_skip = @CLIP_SKIP@
# prediction = @PREDICTION@        # what the models predict: "epsilon" or "v"; auto reads marks, and tests SD2
# ztsnr = @ZTSNR@             # zero terminal SNR: "on" or "off"; auto reads the files' marks
# another VAE than the merged one, for the pictures alone: vae = "models/some.vae.safetensors"
negative = @NEGATIVE@
# textual inversions, named in prompts by their files' names, from a folder: embeddings = "embeddings"
# {this|that} and __colour__ in prompts, decided once, with colour.txt from a folder: wildcards = "wildcards"
# Hires fix, a second pass over every enlarged picture. It costs: with sides twice as long, a step is the work of about
# six, so that these lines make a night seven times as long. Leave them out unless the look depends on them.
#   [render.hires]
#   upscaler = @UPSCALER@      # or None, Lanczos, Nearest, or ESRGAN and the like, from a folder in [render]: upscalers
#   scale = @SCALE@              # or resize = [1024, 0]
#   steps = @HIRES_STEPS@                # 0: as many as above
#   denoise = @DENOISE@            # sampler, schedule, cfg, prompt, negative: as above unless given
@TABLES@
# What every candidate draws: each prompt with each of its seeds, always from the same noise. Prompts are read as in
# AUTOMATIC1111's WebUI, of any length, but for LoRA. More pictures tell recipes apart better and take longer.
@PROMPTS@
# negative = "people"        # for this prompt, instead of the one in [render]
# weight = 1                 # 2: each of its pictures counts twice as much as those of the others

# What only the finalists draw, to see whether they are better elsewhere too. Without prompts: those above. A prompt
# with a seed that the search has seen is refused.
[proof]
@PROOF@

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
# racing = false           # true: a trial that is clearly worse after 4, 8, ... pictures draws no more of them
# shots = "auto"           # pictures per trial: as many as the noise asks for, 16 at most; or a number
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
# precision = "fp32"          # what encoders run in: fp16 and bf16 take half of the memory, and change scores a little
# A scorer whose noise hides what the first recipes differ by is switched off, but for those named: keep = ["style"]

# After the recipe: `recipe-search situations` looks for its weak spots, `settings` for the settings that suit it.
# Lists of your own, as Dynamic Prompts has them, in place of ours: suite = "my-wildcards/"
# Words of your prompts around every line of the lists: frame = "masterpiece, __situation__"
[situations]
# seeds = @SITUATION_SEEDS@                  # most seeds of a situation
# night = false              # true: a night ends with the situations of its first finalist

[settings]                   # values to try, as in X/Y/Z plots; for what is not named there are values of ours
# such as: try = ["Sampler = Euler a, DPM++ 2M Karras", "CFG Scale = 4-9 (+1)"]

[device]
# device = "auto"            # cpu, cuda or cuda:0
# precision = "auto"         # fp32, fp16 or bf16
# `recipe-search check` says what fits into your card, and what it costs. Where the parents lie: device, host (main
# memory) or disk; where encoders and VAE wait while others work: device or host; the VAE in fp32, fp16 or bf16; the
# UNet as it is (eager) or compiled (compile):
# parents = "auto"
# encoders = "auto"
# vae_precision = "auto"
# speed = "auto"
# hung_after = "auto"        # minutes without a step after which the night begins again; 0: never
"""
"""Every value in a comment is a default; `studies.new_study.template` fills the places in."""
