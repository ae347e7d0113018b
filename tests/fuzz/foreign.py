"""Whole, valid texts of other tools that the mutations start from."""

from __future__ import annotations

import json

from engine.recipes.recipe import MergeStep, Recipe

_ROW = ",".join(["0.5"] * 26)
_MIXER = {
    "type": "sd-webui-model-mixer",
    "weights_alpha": [[0.5] * 26, [1.0] * 26],
    "alpha": [0.5, 0.5],
    "model_a": "a",
    "base_model": "d",
    "mode": ["Add-Diff", "Self"],
    "calcmode": ["Normal", "Normal"],
    "elemental": ["OUT05:attn1:0.5", ""],
    "use_elemental": [True, False],
    "adjust": "0,0,0,-1,7,1,1,0",
    "use_mbws": [True, True],
    "model_b": "b",
    "model_c": "c",
}
_CHATTIORI = {
    "type": "merge-models-chattiori",
    "primary_model_hash": "a" * 64,
    "secondary_model_hash": "b" * 64,
    "tertiary_model_hash": "c" * 64,
    "merge_method": "Triple Sum",
    "alpha_info": f"0.35,[[{', '.join(['0.5'] * 25)}],[None]]",
    "beta_info": "0.25",
    "calculation": "fine[0,0,0,-1,7,1,1,0]",
    "fp": "fp16",
    "bake_in_vae": False,
    "pruned": False,
}
TOOL_METADATA = [json.dumps(_MIXER), json.dumps({"sd_merge_recipe": json.dumps(_CHATTIORI), "sd_merge_models": "{}"})]
_LOADERS = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "b.safetensors"}},
}
_ENDS = {
    "4": {"class_type": "CLIPMergeSimple", "inputs": {"clip1": ["1", 1], "clip2": ["2", 1], "ratio": 0.65}},
    "5": {"class_type": "CheckpointSave", "inputs": {"model": ["3", 0], "clip": ["4", 0], "vae": ["1", 2]}},
    "9": {"class_type": "PrimitiveFloat", "inputs": {"value": 0.25}},
}
_MODELS = {"model1": ["1", 0], "model2": ["2", 0]}
GRAPHS = [
    json.dumps({**_LOADERS, "3": {"class_type": kind, "inputs": _MODELS | ratios}, **_ENDS})
    for kind, ratios in (
        ("ModelMergeSD1", {"time_embed.": 0.5, "input_blocks.1.": ["9", 0], "out.": 0.2}),
        ("ModelMergeSDXL", {"label_emb.": 0.5, "output_blocks.1": 0.1, "middle_block.1": 0.2}),
        ("ModelMergeSimple", {"ratio": 0.25}),
    )
]
MERGEKIT = [
    (
        "merge_method: linear\nparameters: {normalize: true}\nmodels:\n- model: a\n  parameters: {weight: 1}\n"
        "- model: b\n  parameters:\n    weight: 3.5\ndtype: float16\n"
    )
]
CARDS = [
    f"---\nbase_model:\n- x/a\n- x/b\ntags: [merge]\n---\n# Mix\n\n{_ROW}\n",
    "---\nlicense: other\n---\nMix = (Anything * 0.3) + (Basil v2 * 70%)\nA * 0.4 + B * 0.6\n",
    f"text\n```yaml\n{MERGEKIT[0]}```\n",
    json.dumps({"description": "<p>A * 0.4 + B * 0.6</p>", "modelVersions": [{"description": "<b>x</b>"}]}),
]
_RECIPE = Recipe(steps=(MergeStep(alpha=(0.35, *(0.5,) * 25)),))
_ENTRY = {"recipe": _RECIPE.text, "recipe_key": _RECIPE.key, "models": {"A": {"name": "a", "sha256": "a" * 64}}}
CARRIED = [
    "# x\n#| " + _RECIPE.text.replace("\n", "\n#| ") + '\n# model "A" is "a.safetensors", SHA-256 ' + "a" * 64 + "\n",
    f"# sd_recipe_search: {json.dumps(_ENTRY)}\nprint(1)\n",
]
CARRIED_JSON = [
    json.dumps({"sd_recipe_search": _ENTRY}),
    json.dumps({"nodes": [], "extra": {"sd_recipe_search": _ENTRY}}),
]
VERIFIED = [
    CARRIED[0] + '# model "B" is "b.safetensors", SHA-256 ' + "b" * 64 + "\nmerge_method: linear\n"
    "parameters: {normalize: false}\nmodels:\n- model: /m/a.safetensors\n  parameters:\n    weight:\n"
    "    - {filter: diffusion_model., value: 0.5}\n    - {value: 0.65}\n- model: b.safetensors\n"
    "  parameters: {weight: 0.5}\n",
]
