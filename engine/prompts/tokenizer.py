"""Text to CLIP token ids, and back, offline.

The vocabulary is the file that open_clip ships, read without importing open_clip (which would load torchvision).
Ids equal those of open_clip's own tokenizer and of SD1's original one. Nothing here needs torch.
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import ftfy
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as InTurn

from engine.architecture.widths import END
from engine.errors import EngineError

CONTEXT = 77
"""How many tokens a text encoder reads at once, start and end included."""
CHUNK_ROOM = CONTEXT - 2
"""How many tokens of a chunk are of the text; a start and an end token stand around them."""
START = END - 1
"""The id of the token that begins every text."""
VOCABULARY = 49408
"""How many tokens CLIP knows."""

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_MERGES = slice(1, VOCABULARY - 256 * 2 - 2 + 1)  # the first line is a version mark; 48 894 merges follow


def token_ids(text: str) -> tuple[int, ...]:
    """Return the ids of a text, without start, end or padding.

    As in CLIP's tokenizer, ftfy repairs the text first (full-width letters, curly quotes, broken encodings); then
    entities are resolved, white space is collapsed and capitals are lowered.
    """
    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    return tuple(_tokenizer().encode(" ".join(repaired.split()).lower()).ids)


def words_of(ids: Sequence[int]) -> str:
    """Return the text of ids, in lower case, without start and end."""
    pieces = "".join(_tokenizer().id_to_token(number) or "" for number in ids if number not in {START, END})
    letters = {letter: byte for byte, letter in _letters_of_bytes().items()}
    raw = bytes(letters[letter] for letter in pieces.replace("</w>", "Ġ") if letter in letters)
    return raw.decode("utf-8", errors="replace").strip()


@cache
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return CLIP's tokens with their ids, and its merges in their order.

    Raises:
        EngineError: open_clip's file is missing or damaged.
    """
    lines = gzip.decompress(_vocabulary_file().read_bytes()).decode().split("\n")[_MERGES]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = list(_letters_of_bytes().values())
    names = [*letters, *(f"{letter}</w>" for letter in letters), *(first + second for first, second in merges)]
    tokens = {name: number for number, name in enumerate([*names, "<|startoftext|>", "<|endoftext|>"])}
    if len(tokens) != VOCABULARY:
        raise EngineError(
            f"{len(tokens)} different tokens, but CLIP has {VOCABULARY}: the file is not CLIP's vocabulary, or damaged",
            place=(_vocabulary_file(),),
            remedy="install open_clip_torch again",
        )
    return tokens, merges


@cache
def _tokenizer() -> Tokenizer:
    tokens, merges = vocabulary()
    tokenizer = Tokenizer(BPE(vocab=tokens, merges=merges, end_of_word_suffix="</w>"))
    split = Split(Regex(_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = InTurn([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def _vocabulary_file() -> Path:
    package = find_spec("open_clip")  # finds the folder without running the package
    if package is None or not package.submodule_search_locations:
        raise EngineError(
            "open_clip is not installed, and its vocabulary file is needed", remedy="install open_clip_torch"
        )
    return Path(package.submodule_search_locations[0], "bpe_simple_vocab_16e6.txt.gz")


@cache
def _letters_of_bytes() -> dict[int, str]:
    """CLIP's letter for each byte, in vocabulary order: printable bytes are themselves, others letters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
