"""The VAEs that can decode, by names and by the words of candidates."""

from __future__ import annotations

from pathlib import Path

from engine.architecture.widths import Widths
from studies.after_recipe.settings.vaes import NamedVae, known_vaes, vae_named, vae_of, vae_of_word, with_files
from studies.studyfile.spec import Rendering

FILE = Path("/vaes/kl-f8.safetensors")


def test_without_a_vae_the_merged_one_decodes() -> None:
    assert known_vaes(Rendering()) == [NamedVae(name="merged", word="", path=None)]


def test_a_studys_own_vae_comes_first_and_the_merged_one_can_be_compared() -> None:
    assert known_vaes(Rendering(vae=FILE)) == [
        NamedVae(name="kl-f8.safetensors", word="", path=FILE),
        NamedVae(name="merged", word="merged", path=None),
    ]


def test_the_vaes_that_trials_choose_among_keep_their_words() -> None:
    found = known_vaes(Rendering(vaes={"vaes/kl-f8.safetensors": FILE, "merged": None}))
    assert [(vae.name, vae.word) for vae in found] == [
        ("kl-f8.safetensors", "vaes/kl-f8.safetensors"),
        ("merged", "merged"),
    ]
    assert vae_of_word("merged", found).path is None
    assert vae_of_word("", found) == found[0]


def test_two_files_of_one_name_are_told_apart() -> None:
    found = known_vaes(Rendering(vaes={"one": FILE, "other": Path("/more/kl-f8.safetensors")}))
    assert [vae.name for vae in found] == ["kl-f8.safetensors", "/more/kl-f8.safetensors", "merged"]
    assert vae_named("/more/kl-f8.safetensors", found) == found[1]
    assert vae_named("none-such", found) is None


def test_a_file_that_cannot_decode_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    known = known_vaes(Rendering())
    found = with_files(known, [tmp_path / "text.safetensors", tmp_path / "none.safetensors"], Widths())
    assert found[0] == known[0]
    assert [bool(vae.reason) for vae in found] == [False, True, True]
    assert vae_of(tmp_path / "text.safetensors", found) == found[1]
    assert vae_of(None, found) == found[0]
    assert vae_of(FILE, found) is None
