"""The encoders that are known by name, and the files that hold their weights.

Hashes are those of the files' entries in their repositories (git LFS), or those in the files' URLs (OpenAI), as
published; where only the first digits, or none, could be found, the entry has just these.
"""

from __future__ import annotations

from scorers.catalogue.published import KnownEncoder, PublishedFile

_HUB = "https://huggingface.co"
_OPENAI = "https://openaipublic.azureedge.net/clip/models"


def _hub(repository: str, file: str, licence: str, sha256: str = "", size: int = 0) -> PublishedFile:
    return PublishedFile(
        name=f"{repository.split('/')[1]}/{file}",
        source=f"{_HUB}/{repository}/resolve/main/{file}",
        licence=licence,
        sha256=sha256,
        size=size,
    )


def _openai(file: str, sha256: str, size: int) -> PublishedFile:
    return PublishedFile(name=file, source=f"{_OPENAI}/{sha256}/{file}", licence="MIT", sha256=sha256, size=size)


_CLIP_L = (
    _hub(
        "timm/vit_large_patch14_clip_224.openai",
        "open_clip_model.safetensors",
        "MIT",
        "9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
        1_710_517_724,
    ),
    _openai("ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", 932_768_134),
    _hub(
        "openai/clip-vit-large-patch14",
        "model.safetensors",
        "MIT",
        "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
        1_710_540_580,
    ),
)
_CLIP_L_336 = (
    _hub("timm/vit_large_patch14_clip_336.openai", "open_clip_model.safetensors", "MIT", "", 1_710_000_000),
    _openai("ViT-L-14-336px.pt", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 934_088_680),
)
_CLIP_B32 = (
    _hub(
        "timm/vit_base_patch32_clip_224.openai",
        "open_clip_model.safetensors",
        "MIT",
        "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        605_143_284,
    ),
    _openai("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 353_976_522),
)
_CLIP_B16 = (
    _hub("timm/vit_base_patch16_clip_224.openai", "open_clip_model.safetensors", "MIT", "", 598_000_000),
    _openai("ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", 350_000_000),
)
_OPENCLIP_L = (
    _hub(
        "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
        "open_clip_pytorch_model.bin",
        "MIT",
        "5ddb47339f44e4fd9cace3d3960d38af1b51a25857440cfae90afc44706d7e2b",
        1_710_631_365,
    ),
    _hub("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "open_clip_model.safetensors", "MIT", "", 1_710_000_000),
)
_OPENCLIP_H = (
    _hub(
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        "open_clip_pytorch_model.bin",
        "MIT",
        "9a78ef8e8c73fd0df621682e7a8e8eb36c6916cb3c16b291a082ecd52ab79cc4",
        3_944_692_325,
    ),
    _hub("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "open_clip_model.safetensors", "MIT", "", 3_944_000_000),
)
_OPENCLIP_BIGG = (
    # Two hashes of this file are published, so neither is checked.
    _hub("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "open_clip_pytorch_model.bin", "MIT", "", 10_160_000_000),
    _hub("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "open_clip_model.safetensors", "MIT", "", 10_160_000_000),
)
_CSD = (
    _hub(
        "tomg-group-umd/CSD-ViT-L",
        "pytorch_model.bin",
        "CC-BY-4.0",
        "40e92fad63a361b8136100cd234c42d401ef9b34ff1748234318929ebcc7e7a1",
        2_438_228_893,
    ),
    _hub("yuxi-liu-wired/CSD", "model.safetensors", "CC-BY-4.0 (a copy of CSD-ViT-L)", "", 1_220_000_000),
)

ENCODERS: tuple[KnownEncoder, ...] = (
    KnownEncoder(name="clip-l", title="CLIP ViT-L/14 by OpenAI", architecture="ViT-L-14-quickgelu", files=_CLIP_L),
    KnownEncoder(
        name="clip-l-336",
        title="CLIP ViT-L/14 at 336 px by OpenAI",
        architecture="ViT-L-14-336-quickgelu",
        files=_CLIP_L_336,
    ),
    KnownEncoder(name="clip-b32", title="CLIP ViT-B/32 by OpenAI", architecture="ViT-B-32-quickgelu", files=_CLIP_B32),
    KnownEncoder(name="clip-b16", title="CLIP ViT-B/16 by OpenAI", architecture="ViT-B-16-quickgelu", files=_CLIP_B16),
    KnownEncoder(name="openclip-l", title="OpenCLIP ViT-L/14, LAION-2B", architecture="ViT-L-14", files=_OPENCLIP_L),
    KnownEncoder(name="openclip-h", title="OpenCLIP ViT-H/14, LAION-2B", architecture="ViT-H-14", files=_OPENCLIP_H),
    KnownEncoder(
        name="openclip-bigg",
        title="OpenCLIP ViT-bigG/14, LAION-2B",
        architecture="ViT-bigG-14",
        files=_OPENCLIP_BIGG,
    ),
    KnownEncoder(
        name="siglip-so400m",
        title="SigLIP ViT-SO400M/14 at 384 px",
        architecture="ViT-SO400M-14-SigLIP-384",
        files=(
            _hub("timm/ViT-SO400M-14-SigLIP-384", "open_clip_model.safetensors", "Apache-2.0", "", 3_510_000_000),
            _hub("timm/ViT-SO400M-14-SigLIP-384", "open_clip_pytorch_model.bin", "Apache-2.0", "", 3_510_000_000),
        ),
        resize="squash",
        normal="half",
        views=(),
        reads_text=False,
    ),
    KnownEncoder(
        name="csd",
        title="CSD, contrastive style descriptors on CLIP ViT-L/14",
        architecture="ViT-L-14-quickgelu",
        files=_CSD,
        views=("content", "pooled"),
        reads_text=False,
    ),
    KnownEncoder(
        name="hpsv2",
        title="Human Preference Score v2, CLIP ViT-H/14",
        architecture="ViT-H-14",
        files=(_hub("xswu/HPSv2", "HPS_v2_compressed.pt", "Apache-2.0", "", 1_970_000_000),),
        resize="longest",
    ),
    KnownEncoder(
        name="hpsv21",
        title="Human Preference Score v2.1, CLIP ViT-H/14",
        architecture="ViT-H-14",
        files=(_hub("xswu/HPSv2", "HPS_v2.1_compressed.pt", "Apache-2.0", "", 1_970_000_000),),
        resize="longest",
        aliases=("hpsv2.1",),
    ),
    KnownEncoder(
        name="pickscore",
        title="PickScore v1, CLIP ViT-H/14",
        architecture="ViT-H-14",
        files=(
            _hub("yuvalkirstain/PickScore_v1", "model.safetensors", "MIT", "", 3_944_000_000),
            _hub("yuvalkirstain/PickScore_v1", "pytorch_model.bin", "MIT", "", 3_944_000_000),
        ),
        aliases=("pick",),
    ),
)
