"""The scorers that are known by name, and the files of those that have some.

Formulas, widths, licences and what each scorer rates are those of the repositories that publish the files. A file under
AGPL-3.0 is fetched by the user's own command; nothing of it is part of this program.
"""

from __future__ import annotations

from collections.abc import Mapping

from scorers.catalogue.published import KnownScorer, PublishedFile

_GITHUB = "https://github.com"


def _raw(repository: str, path: str, licence: str, sha256: str = "", size: int = 0) -> PublishedFile:
    return PublishedFile(
        name=path.rsplit("/", maxsplit=1)[-1],
        source=f"{_GITHUB}/{repository}/raw/main/{path.replace('+', '%2B')}",
        licence=licence,
        sha256=sha256,
        size=size,
    )


def _laion(file: str, sha256: str, size: int = 3_710_000) -> PublishedFile:
    return _raw("christophschuhmann/improved-aesthetic-predictor", file, "Apache-2.0", sha256, size)


def _laion_v1(model: str) -> tuple[PublishedFile, ...]:
    return (_raw("LAION-AI/aesthetic-predictor", f"sa_0_4_{model}_linear.pth", "MIT", "", 4_000),)


def _kenjiqq(what: str) -> Mapping[str, tuple[PublishedFile, ...]]:
    """A head for each of three encoders; that for L has 1024 + 3 x 1024 x 1024 numbers, the others a few more."""
    models = {"openclip-l": "l", "openclip-h": "h", "openclip-bigg": "bigg"}
    folder = "aesthetics_scorer/models"
    return {
        encoder: (
            _raw(
                "kenjiqq/aesthetics-scorer",
                f"{folder}/aesthetics_scorer_{what}_openclip_vit_{model}_14.pth",
                "MIT",
                "",
                17_000_000,
            ),
        )
        for encoder, model in models.items()
    }


_SAC = _laion(
    "sac+logos+ava1-l14-linearMSE.pth", "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0", 3_714_759
)

SCORERS: tuple[KnownScorer, ...] = (
    KnownScorer(
        name="style",
        rates="closeness to the references (through CSD where its file is there, else through the main encoder)",
        scale="minus a distance; 0 is at the references",
        aspect="style",
        kind="style",
    ),
    KnownScorer(
        name="text",
        rates="closeness to the style that `like` gives in words",
        scale="difference of two logits",
        aspect="style",
        kind="words",
    ),
    KnownScorer(
        name="margin",
        rates="nearness to the references against other pictures (CSLS); takes the place of style with 1 to 3 of them",
        scale="difference of cosines",
        aspect="style",
        kind="style",
    ),
    KnownScorer(
        name="lda",
        rates="how far along the direction to the references, and beyond",
        scale="a projection; no best value",
        aspect="",
        kind="style",
    ),
    KnownScorer(
        name="clip",
        rates="whether the picture shows what its prompt asks for (CLIPScore)",
        scale="cosine, about 0.15 to 0.35",
        aspect="fidelity",
        kind="prompt",
        aliases=("clipscore",),
    ),
    KnownScorer(
        name="stats",
        rates="colour, contrast and detail within the references' bands",
        scale="minus the distance from the bands",
        aspect="",
        kind="statistics",
    ),
    KnownScorer(
        name="laion",
        rates="aesthetics, as people rated paintings, logos and photographs (LAION aesthetics v2)",
        scale="1 to 10",
        aspect="aesthetics",
        kind="head",
        heads={"clip-l": (_SAC,)},
        layout="five linear layers",
        aliases=("laion-v2", "sac"),
    ),
    KnownScorer(
        name="chad",
        rates="aesthetics, the head trained on photographs and logos alone (LAION aesthetics v2)",
        scale="1 to 10",
        aspect="aesthetics",
        kind="head",
        heads={
            "clip-l": (
                _laion("ava+logos-l14-linearMSE.pth", "390a3aaf"),
                _raw("grexzen/SD-Chad", "chadscorer.pth", "none stated", "", 3_710_000),
            )
        },
        layout="five linear layers",
    ),
    KnownScorer(
        name="laion-relu",
        rates="aesthetics, the head with activations (LAION aesthetics v2)",
        scale="1 to 10",
        aspect="aesthetics",
        kind="head",
        heads={"clip-l": (_laion("ava+logos-l14-reluMSE.pth", "0af3254c"),)},
        layout="five layers with ReLU",
    ),
    KnownScorer(
        name="laion-v1",
        rates="aesthetics (LAION aesthetics v1)",
        scale="1 to 10",
        aspect="aesthetics",
        kind="head",
        heads={
            "clip-l": _laion_v1("vit_l_14"),
            "clip-b32": _laion_v1("vit_b_32"),
            "clip-b16": _laion_v1("vit_b_16"),
        },
        layout="one linear layer",
    ),
    KnownScorer(
        name="aestheticv25",
        rates="aesthetics, fair to illustrations (Aesthetic Predictor V2.5)",
        scale="1 to 10, 5.5 and more is good",
        aspect="aesthetics",
        kind="head",
        heads={
            "siglip-so400m": (
                _raw(
                    "discus0434/aesthetic-predictor-v2-5",
                    "models/aesthetic_predictor_v2_5.pth",
                    "AGPL-3.0",
                    "a6caf256b3dc434273c98dcb12f6bf17c5d4fc647d8df11f038386923dd06220",
                    2_600_000,
                ),
            )
        },
        layout="scoring head",
        aliases=("aesthetic-v2-5", "v2.5"),
    ),
    KnownScorer(
        name="rating",
        rates="how people rated pictures of Stable Diffusion (aesthetics-scorer)",
        scale="1 to 10",
        aspect="aesthetics",
        kind="head",
        heads=_kenjiqq("rating"),
        view="pooled",
        layout="five linear layers",
    ),
    KnownScorer(
        name="artifacts",
        rates="freedom from visible faults (aesthetics-scorer)",
        scale="minus 5 to minus 1: published as 1 to 5, where low is good",
        aspect="artifacts",
        kind="head",
        heads=_kenjiqq("artifacts"),
        view="pooled",
        layout="five linear layers",
        low_is_good=True,
    ),
    KnownScorer(
        name="wdaes",
        rates="aesthetics of anime pictures (waifu-diffusion)",
        scale="0 to 1",
        aspect="aesthetics",
        kind="head",
        heads={
            "clip-b32": (
                PublishedFile(
                    name="aes-B32-v0.pth",
                    source="https://huggingface.co/hakurei/waifu-diffusion-v1-4/resolve/main/models/aes-B32-v0.pth",
                    licence="AGPL-3.0",
                    size=660_000,
                ),
            )
        },
        layout="three layers to a sigmoid",
        aliases=("waifu", "wd-aesthetic"),
    ),
    KnownScorer(
        name="hpsv2",
        rates="what people prefer for a prompt (Human Preference Score v2)",
        scale="cosine, about 0.2 to 0.35",
        aspect="aesthetics",
        kind="prompt",
        encoder="hpsv2",
    ),
    KnownScorer(
        name="hpsv21",
        rates="what people prefer for a prompt (Human Preference Score v2.1); higher for illustrations than for "
        "photographs, so only pictures of one prompt compare",
        scale="cosine, about 0.14 to 0.34",
        aspect="aesthetics",
        kind="prompt",
        encoder="hpsv21",
        aliases=("hpsv2.1",),
    ),
    KnownScorer(
        name="pick",
        rates="what people prefer for a prompt (PickScore v1)",
        scale="about 18 to 24",
        aspect="aesthetics",
        kind="prompt",
        encoder="pickscore",
        aliases=("pickscore",),
    ),
)

NOT_OFFERED: Mapping[str, str] = {
    "blip": "BLIP is no open_clip model",
    "cafe": "its classifier is under AGPL-3.0 and needs a preprocessing file of its own",
    "cityaes": "it has layers of its own",
    "hpsv3": "it is a language model of 7 billion weights",
    "imagereward": "it is a BLIP model with a text encoder of its own",
    "manual": "people's picks are not a scorer here",
    "noai": "it is three classifiers of other people's",
    "shadowv2": "its weights were withdrawn",
}
"""Scorers of other tools that are not built in, and why; each can be plugged in as a file."""
