"""X/Y/Z plots: the merges that SuperMerger's own code came to, in its order."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.recipes.dialects import DIALECTS
from engine.recipes.steps import MergeStep
from engine.supermerger.axes import AXES, Axis
from engine.supermerger.fields import RunFields, step_of
from engine.supermerger.plot import Plot, expand, queue_of
from tests.engine.merging.golden import FOLDER

CLASSIC = DIALECTS["classic"]
PLOTS: list[dict[str, Any]] = json.loads((FOLDER / "xyz_expansions.json").read_text(encoding="utf-8"))["plots"]
HALF = ",".join(["0", *["0.5"] * 25])
FIFTHS = ",".join(["0.2"] * 26)


def fields(settings: dict[str, Any]) -> RunFields:
    """What was set beside the plots that were recorded."""
    return RunFields(
        models=("sd15_A_fp32", settings.get("model_b", "sd15_B_fp32"), "sd15_C_fp32"),
        mode=settings.get("mode", "Weight sum"),
        calculation=settings.get("calcmode", "normal"),
        mbw=settings.get("useblocks", False),
        alpha=settings.get("alpha", 0.5),
        beta=settings.get("beta", 0.25),
        weights_alpha=HALF,
        weights_beta=FIFTHS,
        elemental=settings.get("deep", ""),
        adjust=settings.get("fine", ""),
    )


def recorded(said: dict[str, Any]) -> MergeStep:
    told = RunFields(
        models=(said["model_a"], said["model_b"], said["model_c"]),
        mode=said["mode"],
        calculation=said["calcmode"],
        mbw=said["useblocks"],
        alpha=said["base_alpha"],
        beta=said["base_beta"],
        weights_alpha=said["weights_a"],
        weights_beta=said["weights_b"],
        elemental=said["deep"],
        adjust=said["fine"],
    )
    return step_of(told, CLASSIC, "sd1")


@pytest.mark.parametrize("record", PLOTS, ids=lambda record: record["plot"])
def test_a_plot_comes_to_what_supermerger_made_of_it(record: dict[str, Any]) -> None:
    plot = Plot(
        fields=fields(record["settings"]),
        x=Axis(kind=record["x_type"], text=record["x_values"]),
        y=Axis(kind=record["y_type"], text=record["y_values"]),
        z=Axis(kind=record["z_type"], text=record["z_values"]),
    )
    found = list(expand(plot, CLASSIC, "sd1"))
    expected = [recorded(said) for kind, said in record["calls"] if kind == "merge"]
    if "note" in record:  # the recorder stopped after the first row
        assert len(found) == 2 * len(expected)
        found = found[: len(expected)]
    assert found == expected


def test_a_plot_of_every_kind_is_recorded() -> None:
    assert len(PLOTS) == 17
    assert sum(kind == "merge" for plot in PLOTS for kind, _ in plot["calls"]) > 70


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (Axis(kind="alpha", text="0.1,half"), Axis(), "axis alpha, value 2: 'half' is no number"),
        (Axis(kind="alpha", text=" , "), Axis(), "the axis alpha has no values"),
        (Axis(kind="pinpoint adjust", text="CONT"), Axis(), "pinpoint adjust needs the number from another axis"),
        (
            Axis(kind="alpha", text="1"),
            Axis(kind="pinpoint adjust", text="IN,CON"),
            "value 2: 'CON' is no Adjust field",
        ),
        (Axis(kind="alpha", text="1"), Axis(kind="effective", text="IN07"), "write BLOCKS:ELEMENTS"),
        (Axis(kind="alpha", text="1"), Axis(kind="alpha", text="1"), "two axes are alpha"),
        (Axis(kind="mbw alpha and beta", text="FLAT_25"), Axis(), "write two lines for each value"),
        (Axis(kind="mbw alpha", text="FLAT_26"), Axis(), "weights alpha: there is no preset 'FLAT_26'"),
        (Axis(kind="calcmode", text="normal,magic"), Axis(), "value 2: 'magic' is no calculation mode"),
        (Axis(kind="elemental", text="IN00::x"), Axis(), "elemental segment 1"),
    ],
)
def test_values_that_do_not_belong_are_refused_with_their_place(x: Axis, y: Axis, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        expand(Plot(fields=fields({}), x=x, y=y), CLASSIC, "sd1")


def test_pinpoint_blocks_names_the_wrong_word() -> None:
    plot = Plot(
        fields=fields({"useblocks": True}),
        x=Axis(kind="pinpoint blocks", text="IN01,IN99"),
        y=Axis(kind="alpha", text="1"),
    )
    with pytest.raises(RecipeError, match="'IN99' is no block"):
        expand(plot, CLASSIC, "sd1")


def test_pinpoint_blocks_without_mbw_is_plain_alpha() -> None:
    plot = Plot(fields=fields({}), x=Axis(kind="pinpoint blocks", text="IN01"), y=Axis(kind="alpha", text="0.1,0.9"))
    assert [merge.alpha for merge in expand(plot, CLASSIC, "sd1")] == [0.1, 0.9]


def test_unknown_axes_are_named_with_the_reason() -> None:
    with pytest.raises(RecipeError, match=r"there is no axis 'mbw alpa'; did you mean mbw alpha\?"):
        Axis(kind="mbw alpa")
    with pytest.raises(RecipeError) as caught:
        Axis(kind="hue of all")
    assert ", mbw alpha, mbw beta" in str(caught.value)  # without the space that it ends with in SuperMerger
    with pytest.raises(RecipeError, match="two axes are mbw alpha; choose another"):
        expand(Plot(fields=RunFields(), x=Axis(kind="mbw alpha"), y=Axis(kind="mbw alpha")), CLASSIC, "sd1")
    with pytest.raises(RecipeError, match=r"there is no axis 'random'.*draws random numbers"):
        Axis(kind="random", text="3")


def test_2023_has_no_filters_on_axes() -> None:
    plot = Plot(fields=fields({}), x=Axis(kind="include blocks", text="IN01"))
    with pytest.raises(RecipeError, match="the dialect 2023 has no Include"):
        expand(plot, DIALECTS["2023"], "sd1")
    (run,) = expand(plot, CLASSIC, "sd1")
    assert run.filter
    assert run.filter.blocks == ("IN01",)


def test_a_bar_splits_a_plot_into_several() -> None:
    plot = Plot(fields=fields({}), x=Axis(kind="alpha", text="0.1,0.2|0.3"))
    assert [part.x.text for part in queue_of(plot)] == ["0.1,0.2", "0.3"]
    with pytest.raises(RecipeError, match="split one of them at a time"):
        queue_of(Plot(fields=fields({}), x=plot.x, y=Axis(kind="beta", text="0|1")))


@given(st.sampled_from(AXES), st.text(alphabet="01.,-\n|: INOUTabx%", max_size=30), st.sampled_from(AXES))
def test_any_text_expands_or_is_refused(kind: str, text: str, other: str) -> None:
    plot = Plot(fields=fields({}), x=Axis(kind=kind, text=text), y=Axis(kind=other, text="0.5"))
    with suppress(RecipeError):
        assert expand(plot, CLASSIC, "sd1")
