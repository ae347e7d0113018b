"""The slow reference against what SuperMerger itself made: tests/golden/merges/README.md."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from tests.engine.merging.closeness import is_same, off
from tests.engine.merging.golden import CASES, block_rows, expected, full_sha256, load_model, models_of
from tests.engine.merging.reference import ReferenceRefused, reference_run
from tests.engine.merging.reference_rules import block_sd, block_xl
from tests.engine.merging.strategies import Run, cases

STORED = [case for case in CASES if case.get("file")]
UNSTORED = [case for case in CASES if not case.get("file") and "expect_error" not in case]
REFUSED = [case for case in CASES if "expect_error" in case]


def name_of(case: dict[str, Any]) -> str:
    return case["case"]


def changed(result: dict[str, Tensor], a: dict[str, Tensor]) -> set[str]:
    """Keys whose tensor is not A's, bit for bit."""
    return {key for key, tensor in result.items() if key not in a or not is_same(tensor, a[key])}


def nan_keys(result: dict[str, Tensor]) -> list[str]:
    return sorted(key for key, tensor in result.items() if tensor.isnan().any())


def is_native(case: dict[str, Any]) -> bool:
    """Whether SuperMerger computes in the models' own dtype, so that the reference rounds exactly as it does."""
    return case["calcmode"] == "self" or (case["dialect"] == "2023" and case["calcmode"] == "normal")


@pytest.mark.parametrize("case", STORED, ids=name_of)
def test_stored_results_have_the_hash_that_the_manifest_gives(case: dict[str, Any]) -> None:
    result = expected(case)
    assert result is not None
    assert full_sha256(result) == case["sha256_full"]


@pytest.mark.parametrize("case", STORED, ids=name_of)
def test_the_reference_makes_what_supermerger_made(case: dict[str, Any]) -> None:
    found, wanted, a = reference_run(case, models_of(case)), expected(case), load_model(case["model_A"])
    assert wanted is not None
    assert list(found) == list(wanted)
    assert {key: error for key in wanted if (error := off(found[key], wanted[key])) > 1} == {}
    assert nan_keys(found) == sorted(case["nan_keys"])
    assert changed(found, a) == changed(wanted, a)


@pytest.mark.parametrize("case", UNSTORED, ids=name_of)
def test_the_reference_makes_what_is_known_of_results_that_are_not_stored(case: dict[str, Any]) -> None:
    found, a = reference_run(case, models_of(case)), load_model(case["model_A"])
    assert dict(Counter(str(tensor.dtype) for tensor in found.values())) == case["dtypes"]
    assert [key for key in found if key not in a] == case["added_keys"]
    assert len(found) == case["total_keys"]
    assert nan_keys(found) == sorted(case["nan_keys"])
    assert len(changed(found, a)) == pytest.approx(case["changed_keys"], abs=5)
    if is_native(case):
        assert full_sha256(found) == case["sha256_full"]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_the_reference_refuses_what_supermerger_raises_on(case: dict[str, Any]) -> None:
    with pytest.raises(ReferenceRefused):
        reference_run(case, models_of(case))


SD1 = {"dialect": "classic", "mode": "Weight sum", "model_A": "edge_A_fp32", "model_B": "edge_B_fp32"}
MIXED = {"mode": "Triple sum", "model_B": "edge_B_fp16", "model_C": "edge_C_fp32"}
TRIED = {name: load_model(name) for name in ("edge_A_fp32", "edge_B_fp32", "edge_B_fp16", "edge_C_fp32")}
TRIED["empty"] = {}


@pytest.mark.parametrize(
    "change",
    [
        {"dialect": "head"},
        {"use_mbw": True, "weights_alpha": ",".join(["0.5"] * 20)},
        {"use_mbw": True, "weights_alpha": "0.5,half"},
        {"elemental": "OUT03-OUT99:attn:0.5"},
        {"elemental": "::half"},
        {"calcmode": "extract", "alpha": 1.5},
        {"calcmode": "extract", "beta": -0.1},
        {"calcmode": "extract", "opt_value": -1.0},
        {"calcmode": "extract", "dialect": "2023"},
        {"calcmode": "cosineA", "model_B": "empty"},
        {"dialect": "head_patched", **MIXED},
    ],
    ids=str,
)
def test_the_reference_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ReferenceRefused):
        reference_run({**SD1, **change}, TRIED)


def test_the_older_dialects_take_mixed_dtypes() -> None:
    key = "model.diffusion_model.out.0.weight"
    assert reference_run({**SD1, **MIXED}, TRIED)[key].dtype == torch.float32


@pytest.mark.parametrize(
    ("dialect", "elemental", "count"),
    [
        ("classic", "OUT05:attn1:0.5", 3),
        ("classic", "OUT05: attn1:0.5", 4),
        ("classic", "OUT:attn1:0.5", 3),
        ("head_patched", "OUT:attn1:0.5", 0),
        ("classic", "out05:attn1:0.5", 0),
        ("classic", "cond_stage_model.model::0.5", 2),
        ("head_patched", "cond_stage_model.model::0.5", 0),
        ("classic", "OUT11:time_embed:0.5", 3),
        ("head_patched", "IN00:time_embed:0.5", 3),
        ("classic", "OUT05 :time_embed:0.5", 3),
        ("head_patched", "OUT05 :time_embed:0.5", 0),
        ("classic", " OUT05:attn1: 0.5 ", 3),
        ("classic", "OUT06-OUT04:attn1:0.5", 3),
    ],
)
def test_the_quirks_of_elemental_texts(dialect: str, elemental: str, count: int) -> None:
    found = reference_run({**SD1, "dialect": dialect, "alpha": 0.0, "elemental": elemental}, TRIED)
    keys = changed(found, TRIED["edge_A_fp32"]) & TRIED["edge_A_fp32"].keys()
    assert len(keys) == count, keys


def test_the_blocks_are_those_of_the_block_map() -> None:
    wrong: list[dict[str, str]] = []
    for row in block_rows():
        found = [_blocks(row, "classic")[0], *_blocks(row, "head")]
        wanted = [row["block_2023_classic"], row["block_head"], row["ext_block_head"]]
        if found != ["never" if name in {"(never merged)", "Not Merge", "-"} else name for name in wanted]:
            wrong.append(row)
    assert wrong == []


def _blocks(row: dict[str, str], dialect: str) -> tuple[str, str]:
    run = {"dialect": dialect}
    if row["arch"] == "sdxl":
        return block_xl(row["key"], run) or ("never", "never")
    if "weight" not in row["key"] and "bias" not in row["key"]:
        return "never", "never"
    return block_sd(row["key"], run), block_sd(row["key"], run)


@given(cases())
def test_any_run_keeps_the_keys_of_a_and_appends_some_of_b(drawn: tuple[Run, dict[str, dict[str, Tensor]]]) -> None:
    run, models = drawn
    a, b = models[run["model_A"]], models[run["model_B"]]
    before = {name: {key: tensor.clone() for key, tensor in model.items()} for name, model in models.items()}
    try:
        found = reference_run(run, models)
    except ReferenceRefused:
        found = dict(a)
    assert list(found)[: len(a)] == list(a)
    assert set(found) - set(a) <= set(b)
    assert all(found[key].shape == a[key].shape for key in a)
    assert all("model" in key and ("weight" in key or "bias" in key) for key in changed(found, a) & set(a))
    assert not any(changed(models[name], before[name]) for name in models)
