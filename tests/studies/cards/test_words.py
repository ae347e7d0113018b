"""What a card says: promise and proof told apart, nothing made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.cards import words
from studies.cards.card import CardPromise, CardProof
from tests.studies.cards.made import bare_card, full_card, lead


@pytest.mark.parametrize(
    ("mean", "low", "high", "said"),
    [
        (1.5, 0.5, 2.5, "Ahead of A by 1.50 (95 % interval: +0.50 to +2.50), and better in 20 of 24 pictures."),
        (0.1, -0.2, 0.4, "About as good as A (+0.10) (95 % interval: \N{MINUS SIGN}0.20 to +0.40), and better in "),
        (-1.0, -1.5, -0.5, "Behind A by 1.00 (95 % interval: \N{MINUS SIGN}1.50 to \N{MINUS SIGN}0.50), and better"),
    ],
)
def test_a_lead_is_one_only_beyond_its_interval(mean: float, low: float, high: float, said: str) -> None:
    assert words.lead_sentence(lead("A", mean, low, high), "95 %").startswith(said)


def test_the_headline_says_proved_only_where_every_lead_is_one() -> None:
    won = CardProof(leads=(lead("A", 1.5, 0.5, 2.5), lead("FLAT_25", 1.0, 0.2, 1.8)), level="95 %")
    text = words.headline(replace(full_card(), proof=won))
    assert (
        text
        == "Proved on 24 held-out pictures: closer to the wanted look than A and FLAT_25 (the best mix by one ratio)"
    )
    assert words.headline(full_card()).startswith("Not proved on 24 held-out pictures to be closer to the wanted look")
    assert "FLAT_25 (the best mix by one ratio) or B" in words.headline(full_card())


def test_a_trial_is_a_promise_and_a_recipe_alone_is_not_judged() -> None:
    promised = replace(full_card(), proof=None, promise=CardPromise(trial=17, score=1.25, error=0.4, pictures=8))
    assert words.headline(promised) == "Not proved: only the search has seen its pictures"
    (line,) = words.result_lines(promised)
    assert line.startswith("Trial 17 has a score of +1.25 ± 0.40 on 8 pictures of the search")
    assert words.headline(bare_card()).startswith("Not judged")
    assert not list(words.result_lines(bare_card()))
    assert words.settings(bare_card()) == []
    assert words.example(bare_card()) == ""


def test_settings_are_those_of_all_shots() -> None:
    card = full_card()
    mixed = replace(card, shots=(*card.shots, replace(card.shots[0], seed=9, steps=30, negative="blurry")))
    found = dict(words.settings(mixed))
    assert (found["Steps"], found["Negative prompt"]) == ("24; 30", "blurry")
    assert (found["Sampler"], found["Size"]) == ("DPM++ 2M", "512×512")


def test_a_vae_of_the_study_is_baked_in_only_where_the_search_chose_it() -> None:
    outside = replace(full_card(), vae="my vae.safetensors")
    assert (
        dict(words.settings(outside))["VAE"] == "my vae.safetensors, not in the checkpoint: choose it where you render"
    )
    assert "--vae" not in words.rebuild_lines(outside, "x.card")[1]
    inside = replace(outside, bakes_vae=True)
    assert words.rebuild_lines(inside, "x.card")[1].endswith('--dtype fp16 --vae "my vae.safetensors"')


@pytest.mark.parametrize(
    ("text", "word"),
    [("a-1.card.json", "a-1.card.json"), ("a b.json", '"a b.json"'), ("水彩.json", '"水彩.json"'), ('a"$b', "'a\"$b'")],
)
def test_words_of_a_command_line_are_quoted(text: str, word: str) -> None:
    assert words.shell_word(text) == word
