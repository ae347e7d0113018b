"""Random SuperMerger runs on small random models with real key names, for property tests.

`cases()` draws a run in the manifest's plain fields together with the models it names. Left out is what SuperMerger's
documented behaviour does not settle: ids beyond the real ones in Include/Exclude on SDXL, 110 numbers with a beta
text, an invalid ratio in a rule that may never apply, NOT without a word behind it, an Adjust text of zeros and spaces.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from torch import Tensor

from tests.engine.merging.reference_rules import IDS_20, IDS_26, IDS_110
from tests.engine.merging.strategies_models import ARCHES, models, rarely

Run = dict[str, Any]
MODES = ("Weight sum", "Add difference", "Triple sum", "sum Twice")
CALCMODES = (
    *("normal", "cosineA", "cosineB", "trainDifference", "smoothAdd", "smoothAdd MT"),
    *("extract", "tensor", "tensor2", "self", "plus random"),
)
MODERN_ONLY = {"extract", "plus random"}
ELEMENTS = (
    *("attn", "attn1", "attn2", "attn2.to_k", "attn1.to_out.0.bias", "to_q", "norm", "norm1", "layer_norm", "proj"),
    *("proj_in", "ff.net", "ff.net.2.weight", "in_layers", "out_layers.0", "emb_layers", "skip_connection", "op"),
    *("weight", "bias", "time_embed", "label_emb", "out.", "mlp", "self_attn", "decoder", "conv", "0", "zz"),
)
FRAGMENTS = (
    *("OUT", "IN0", "IN", "M", "out05", "DIFF", "BASE"),
    *("first_stage_model", "cond_stage_model", "input_blocks.1."),
)
MALFORMED = (
    *("foo", "", ":", ":::", "OUT06:attn1", "OUT07:attn1:0.1:x", "# a comment", "OUT05 attn1 0.5"),
    *("normal", "self", "OUT05:normal", "OUT05:self"),
)
ADJUST_FIELDS = ("0", "1", "-1", "0.5", "-2", "1.5", "7", "-0.25", "3e-1", " 2", "-1 ", "", "abc", "1.2.3")


def ratios(low: float = -1.0, high: float = 2.0) -> st.SearchStrategy[float]:
    """Numbers as a slider gives them, often one of the ends."""
    landmarks = [x for x in (0.0, 1.0, 0.5, 0.25, 0.333, -0.2, 1.3, 2.0, -1.0) if low <= x <= high]
    thousandths = st.integers(int(low * 1000), int(high * 1000)).map(lambda n: n / 1000)
    return st.one_of(st.sampled_from(landmarks), thousandths)


def ratio_texts(count: int, low: float = -1.0, high: float = 2.0) -> st.SearchStrategy[str]:
    """Ratio texts of so many numbers."""
    written = ratios(low, high).map(lambda x: f"{x:g}")
    return st.lists(written, min_size=count, max_size=count).map(",".join)


def adjust_texts() -> st.SearchStrategy[str]:
    """Adjust texts of any length, off ones included."""
    fields = st.lists(st.sampled_from(ADJUST_FIELDS), min_size=1, max_size=10).map(",".join)
    return st.one_of(
        st.just(""), st.sampled_from(["0,0,0,0,0,0,0,0", "0,0,0,-1,1,1,1", "0,0,0,5,0,0,0,0", "5"]), fields
    )


@cache
def _tokens(extended: bool) -> st.SearchStrategy[str]:
    ids = IDS_110 if extended else IDS_26
    names = st.sampled_from(ids)
    ranges = st.tuples(names, names).map("-".join)
    fragments = st.sampled_from(FRAGMENTS)
    return st.one_of(names, names, names, ranges, fragments)


def _block_fields(extended: bool) -> st.SearchStrategy[str]:
    return _fields(_tokens(extended), st.sampled_from(["", "", "", "", " "]), leading=st.just(""))


def _element_fields() -> st.SearchStrategy[str]:
    odd = st.sampled_from(["", "", "", "", "", " "])
    return _fields(st.sampled_from(ELEMENTS), odd, leading=odd)


def _fields(
    tokens: st.SearchStrategy[str], trailing: st.SearchStrategy[str], *, leading: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    """Words with spaces between, sometimes NOT in front, sometimes a space too many."""
    words = st.tuples(st.lists(tokens, min_size=1, max_size=3), st.sampled_from([" ", " ", " ", "  "]))
    joined = words.map(lambda drawn: drawn[1].join(drawn[0]))
    inverted = st.sampled_from(["", "", "", "NOT "])
    filled = st.tuples(leading, inverted, joined, trailing).map("".join)
    return st.one_of(st.just(""), filled, filled, filled)


def segments(extended: bool) -> st.SearchStrategy[str]:
    """Single elemental rules, well formed."""
    numbers = st.tuples(st.sampled_from(["", " "]), ratios().map(lambda x: f"{x:g}"), st.sampled_from(["", " "]))
    ratio = st.one_of(numbers.map("".join), numbers.map("".join), numbers.map("".join), st.sampled_from("RUX"))
    spaces = st.sampled_from(["", "", " "])
    whole = st.tuples(spaces, _block_fields(extended), st.just(":"), _element_fields(), st.just(":"), ratio)
    return whole.map("".join)


@st.composite
def elemental_texts(draw: st.DrawFn, *, extended: bool = False, invalid: bool = False) -> str:
    """Elemental texts: none, some rules, malformed segments among them; `invalid` may end the merge."""
    kinds = [segments(extended)] * 4 + [st.sampled_from(MALFORMED)]
    parts = draw(st.lists(st.one_of(kinds), max_size=5))
    if invalid and draw(rarely(30)):
        parts.append(draw(st.sampled_from(["IN01-OUT99::0.5", "XX00-IN01::1", "::half", "::"])))
    text = ""
    for part in parts:
        text += (draw(st.sampled_from([",", ",", "\n"])) if text else "") + part
    return text


@st.composite
def include_excludes(draw: st.DrawFn, arch: str, dialect: str) -> dict[str, Any]:
    """Include/Exclude settings: off, or some blocks and elements, or none."""
    off: dict[str, Any] = {"mode": "Off", "blocks": [], "elements": ""}
    if dialect == "2023" or not draw(rarely(3)):
        return off
    names = list(IDS_26) if arch != "sdxl" else [*IDS_20, *IDS_110[::9]] if dialect == "head" else list(IDS_20)
    blocks = draw(st.lists(st.sampled_from([*names, "Adjust", "VAE"]), unique=True, max_size=4))
    elements = draw(st.lists(st.sampled_from(ELEMENTS), unique=True, max_size=3))
    if blocks and draw(st.booleans()):
        blocks.append("print")
    return {
        "mode": draw(st.sampled_from(["Include", "Exclude"])),
        "blocks": blocks,
        "elements": ",".join(elements),
    }


@st.composite
def runs(draw: st.DrawFn, arch: str) -> Run:
    """Settings of a run on models A, B and C."""
    dialect = draw(st.sampled_from(["2023", "classic", "classic", "head_patched", "head"]))
    if dialect == "head" and arch != "sdxl" and not draw(rarely(10)):
        dialect = "head_patched"
    modern = dialect != "2023"
    calcmode = draw(st.sampled_from([c for c in CALCMODES if modern or c not in MODERN_ONLY] + ["normal"] * 8))
    mode = draw(st.sampled_from(MODES))
    extended = arch == "sdxl" and dialect in {"head", "head_patched"} and draw(rarely(3))
    low, high = (0.0, 1.0) if calcmode == "extract" and not draw(rarely(10)) else (-1.0, 2.0)
    run: Run = {
        "dialect": dialect,
        "mode": mode,
        "calcmode": calcmode,
        "alpha": draw(ratios(low, high)),
        "beta": draw(ratios(low, high)),
        "include_exclude": draw(include_excludes(arch, dialect)),
        "adjust": draw(adjust_texts()),
        "opt_value": draw(st.sampled_from([0.0, 0.3, 1.0, 2.5])),
        "rand_seed": draw(st.integers(0, 2**31 - 1)),
        "torch_seed": draw(st.integers(0, 2**31 - 1)),
        "model_A": "A",
        "model_B": "A" if not calcmode.startswith("cosine") and draw(rarely(3 if calcmode == "self" else 12)) else "B",
        "model_C": draw(st.sampled_from(["C", "C", "C", ""])),
        "save_sets": draw(st.sampled_from([[], [], ["use old calc method"]])) if modern else [],
    }
    run |= draw(_weights(run, arch, extended, low, high))
    by_box = extended and (not run["use_mbw"] or run["weights_alpha"].count(",") != 109)
    run["esettings"] = ["use extended XL"] if by_box else []
    invalid = run["include_exclude"]["mode"] == "Off"
    elemental = draw(elemental_texts(extended=extended, invalid=invalid))
    run["elemental"] = _in_range(elemental) if calcmode == "extract" and high == 1 else elemental
    return run


def _in_range(text: str) -> str:
    """Rules without the signs that extract would refuse."""
    return text.replace(":-", ":").replace(": -", ": ").replace(":1.", ":0.").replace(":2", ":0")


@st.composite
def _weights(draw: st.DrawFn, run: Run, arch: str, extended: bool, low: float, high: float) -> Run:
    """The ratio texts; 110 numbers only where beta is not read, 20 on SD1 only where every key is merged."""
    counts = [26, 26, 20] if arch == "sdxl" else [26]
    reads_beta = run["mode"] in {"Triple sum", "sum Twice"} or run["calcmode"] in {"tensor", "tensor2"}
    if extended and not reads_beta:
        counts += [110, 110]
    if arch != "sdxl" and run["include_exclude"]["mode"] == "Off" and draw(rarely(20)):
        counts = [20]
    count = draw(st.sampled_from(counts))
    return {
        "use_mbw": draw(st.booleans()),
        "weights_alpha": draw(ratio_texts(count, low, high)),
        "weights_beta": draw(ratio_texts(min(count, 26), low, high)),
    }


@st.composite
def cases(draw: st.DrawFn) -> tuple[Run, dict[str, dict[str, Tensor]]]:
    """A run and the models that it names."""
    arch = draw(st.sampled_from(ARCHES))
    run = draw(runs(arch))
    return run, draw(models(arch, wide=run["calcmode"] == "normal"))
