"""Whole, valid texts of every kind that the mutations start from."""

from __future__ import annotations

import json

WEIGHTS = [",".join(["0.5"] * 26), "FLAT_25", "0,R,U,X," + ",".join(["0.1"] * 22), ",".join(["0.25"] * 20)]
ELEMENTAL = ["OUT05 OUT08:attn1:0.88", "IN00-IN11:NOT attn1 ff:0.5\nM00::0.1", "BASE:text_model:1,OUT03:conv:0"]
PROMPTS = [
    "a (cat:1.2) on [the:a:0.5] mat, (((sunny))) BREAK day AND night :0.8",
    "[a|b|c] house, \\(x\\), __colour__ {red|blue}, [[x::3]:y:0.2], <lora:x:1>",
    "masterpiece, 1girl, 桜の下の少女, (夜:1.3)",
]
INFOTEXT = [
    """a girl, garden
Negative prompt: lowres
Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x768, Model hash: 45dee52b, \
Model: x, Clip skip: 2, ENSD: 31337, Eta: 0.5, TI hashes: "a: 12", Version: v1.10.1""",
    """cat
Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 1, Size: 512x512, Denoising strength: 0.7, \
Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, RNG: CPU""",
]
HISTORY = [
    """ID,time,name,weights alpha,weights beta,model A,model B,model C,alpha,beta,mode,use MBW,plus lora,custum name,\
save setting,use ID
1,2024.03.02 10.11.12,mix,"0,WEIGHTS",,aaaaaaaaaa,bbbbbbbbbb,aaaaaaaaaa,0.5,0.25,Weight sum:A*(1-alpha)+B*alpha,\
True,,['fp16'],[],,normal,7,"0,0,0,0,0,0,0,1",1.0,Off,[],
""".replace("WEIGHTS", ",".join(["0.5"] * 25)),
]
_SUPERMERGER = {
    "type": "sd-webui-supermerger",
    "weights_alpha": [0.5] * 25,
    "weights_beta": "",
    "weights_alpha_orig": ",".join(["0.5"] * 26),
    "weights_beta_orig": "",
    "model_a": "a" * 64,
    "model_b": "b" * 64,
    "model_c": "a" * 64,
    "base_alpha": 0.5,
    "base_beta": 0.25,
    "mode": "Weight sum",
    "mbw": True,
    "elemental_merge": ["OUT05:attn1:0.5"],
    "calcmode": "normal",
    "Off": [],
}
_WEBUI = {
    "type": "webui",
    "primary_model_hash": "a" * 64,
    "secondary_model_hash": "b" * 64,
    "tertiary_model_hash": None,
    "interp_method": "Weighted sum",
    "multiplier": 0.3,
    "save_as_half": True,
    "bake_in_vae": "None",
}
METADATA = [json.dumps(_SUPERMERGER), json.dumps(_WEBUI), json.dumps({"sd_merge_recipe": json.dumps(_SUPERMERGER)})]
RECIPE = [
    """format = 1
dialect = "classic"
family = "sd1"

[models]
A = "a.safetensors"
B = "b.safetensors"

[[steps]]
kind = "merge"
alpha = { BASE = 0, IN00 = 0.5 }
elemental = "OUT05:attn1:0.5"
calculation = "cosineA"
include = { blocks = ["OUT01"], keys = ["attn"] }

[[steps]]
kind = "self"
factors = { "OUT11:attn1" = 0.9 }

[[steps]]
kind = "adjust"
values = [0, 0, 0, 1.5, 0, 0, 0, 0]
""",
]
STUDY = """[study]
name = "fuzz"
seed = 3

[models]
A = "a.safetensors"
B = "b.safetensors"

[target]
references = "references"
like = "a painting"

[render]
width = 64
height = 64
steps = 8
sampler = "DPM++ 2M Karras"
cfg = 7.0

[render.hires]
upscaler = "Latent"
scale = 1.5
denoise = 0.6

[[prompts]]
text = "a red cat on the beach"
negative = "lowres"
seeds = [1, 2]

[proof]
prompts = ["a green tree in the forest"]
seeds = [11, 12]

[space.blocks]
default = [0, 1]
BASE = 0
OUT05 = [0.2, 0.8]

[space.self]
sites = ["OUT11:attn1"]
range = [0.8, 1.2]

[space.adjust]
CONT = [-3, 3]

[search]
groups = 10
blocks = 24
self = 6
adjust = 6
refine = 10
finalists = 2

[scorers]
encoder = { config = "c.json", weights = "w.safetensors" }
weights = { style = 1.0 }
"""
