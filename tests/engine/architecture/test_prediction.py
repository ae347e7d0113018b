"""What files say of their UNet's output, by their keys and by their metadata."""

from __future__ import annotations

import re

import pytest

from engine.architecture.prediction import marks_of, mixed_marks, other_prediction, says_v

V, END = "v_pred", "ztsnr"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"format": "pt"}, None),
        ({"modelspec.predict_key": "v"}, True),
        ({"modelspec.predict_key": "epsilon"}, False),
        ({"modelspec.prediction_type": "v"}, True),
        ({"modelspec.prediction_type": "V-Prediction"}, True),
        ({"modelspec.prediction_type": "eps"}, False),
        ({"modelspec.prediction_type": "", "modelspec.predict_key": "v"}, True),
        ({"ss_v_parameterization": "True"}, True),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, True),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, None),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v", "modelspec.predict_key": "epsilon"}, False),
    ],
)
def test_metadata_says_what_is_predicted(metadata: dict[str, str], expected: bool | None) -> None:
    assert says_v(metadata) is expected
    assert marks_of(["a.weight"], metadata) == ({V} if expected else set())


def test_keys_count_and_metadata_adds_v() -> None:
    assert marks_of([V, END, "a.weight"]) == {V, END}
    assert marks_of([V], {"modelspec.predict_key": "epsilon"}) == {V}
    assert marks_of([END], {"modelspec.prediction_type": "v"}) == {V, END}


@pytest.mark.parametrize(
    ("keys", "metadata", "said"),
    [
        (["edm_mean", "edm_std"], {}, "edm_mean and edm_std say .* as Playground 2.5 has"),
        (["edm_mean"], {}, "edm_mean .* Playground 2.5"),
        (["edm_vpred.sigma_max"], {}, "edm_vpred.sigma_max say.* as CosXL has"),
        (["edm_vpred.sigma_max", "edm_vpred.sigma_min", V], {}, "EDM's noise levels"),
        ([], {"modelspec.prediction_type": "Flow_Matching"}, 'modelspec.prediction_type = "Flow_Matching"'),
        ([], {"modelspec.predict_key": "rectified flow"}, "flow matching"),
        ([], {"modelspec.noise_process": "flow"}, "modelspec.noise_process"),
    ],
)
def test_other_kinds_are_named(keys: list[str], metadata: dict[str, str], said: str) -> None:
    found = other_prediction(keys, metadata)
    assert found is not None
    assert re.search(said, found[0])
    assert "merge it without rendering" in found[1]


def test_models_of_epsilon_and_v_are_not_of_another_kind() -> None:
    assert other_prediction([V, END, "model.diffusion_model.out.2.bias"], {"modelspec.predict_key": "v"}) is None
    assert other_prediction([], {"modelspec.title": "a flow of water", "modelspec.prediction_type": "epsilon"}) is None


def test_marks_that_differ_are_a_problem() -> None:
    assert mixed_marks({"A": frozenset({V}), "B": frozenset({V})}) is None
    problem = mixed_marks({"A": frozenset(), "B": frozenset({V, END})})
    assert problem is not None
    assert "(A nothing, B v_pred and ztsnr)" in problem.what
