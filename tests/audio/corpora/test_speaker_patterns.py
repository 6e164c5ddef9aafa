import itertools
import uuid

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.name_patterns import NamePattern
from keras_rnn2dnn.audio.corpora.speaker_guess import guess_pattern

WORDS, SPEAKERS, NUMBERS = ("go", "turn left", "توقف"), ("ann", "b_2", "王"), (0, 11)


def names(form, words=WORDS, speakers=SPEAKERS, numbers=NUMBERS):
    """Names of a corpus' files, and their folders."""
    triples = list(itertools.product(words, speakers, numbers))
    made = [
        f"{w}/" + form.format(w=w.replace(" ", "_"), s=s, n=n) for w, s, n in triples
    ]
    return made, [w for w, _, _ in triples], [s for _, s, _ in triples]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("{s}_nohash_{n}", "{speaker}_nohash_{n}"),
        ("{s}_{n:02d}", "{speaker}_{n}"),
        ("{s}-{n}", "{speaker}-{n}"),
        ("{s} {n}", "{speaker} {n}"),
        ("{n}_{s}", "{n}_{speaker}"),
        ("{w}_{s}_{n}", "{word}_{speaker}_{n}"),
        ("{s}-{w}-{n}", "{speaker}-{word}-{n}"),
        ("{w}_{n}_{s}", "{word}_{n}_{speaker}"),
        ("{s}/{n}", "{speaker}/*"),
        ("{s}/{n}/take", "{speaker}/*/*"),
        ("{s}_{n}_1", "{speaker}_{n}_{n}"),
    ],
)
def test_the_pattern_is_guessed(form, expected):
    made, folders, speakers = names(form)
    pattern = guess_pattern(made, folders)
    assert pattern.template == expected
    found = [pattern.match(*pair) for pair in zip(made, folders, strict=True)]
    assert [f["speaker"] for f in found] == speakers


@pytest.mark.parametrize("form", ["{s}", "{s}_{w}", "{w}-{s}"])
def test_names_without_numbers_tell_speakers_if_they_are_names(form):
    made, folders, _ = names(form, speakers=("ann", "ben"), numbers=(0,))
    assert guess_pattern(made, folders).match(made[0], folders[0])["speaker"] == "ann"
    made, folders, _ = names(form, speakers=("rec1", "rec2"), numbers=(0,))
    assert guess_pattern(made, folders) is None


@pytest.mark.parametrize(
    "form",
    ["{n}", "{w}_{n}", "{w}{n}", "take_{n}", "rec-2024-05-01-{n}", "{w}/{n}", "sound"],
)
def test_what_is_common_to_words_is_no_speaker(form):
    made, folders, _ = names(form, speakers=("",), numbers=range(9))
    assert guess_pattern(made, folders) is None


@pytest.mark.parametrize("form", ["{s}_{n}", "rec_{s}_{n}", "{s}-{n}", "{s}/{n}"])
@pytest.mark.parametrize("separator", ["-", "", "_"])
def test_dates_are_no_speakers(form, separator):
    days = [f"2024-0{month}-1{day}" for month in range(1, 4) for day in range(4)]
    days = [day.replace("-", separator) for day in days]
    made, folders, _ = names(form, speakers=days, numbers=range(4))
    assert guess_pattern(made, folders) is None


@pytest.mark.parametrize("separator", ["-", "_", ""])
def test_random_names_have_no_speaker(separator):
    rng = np.random.default_rng(0)
    made = [
        f"{word}/{str(uuid.UUID(bytes=rng.bytes(16))).replace('-', separator)}"
        for word in WORDS
        for _ in range(200)
    ]
    assert guess_pattern(made, [name.split("/")[0] for name in made]) is None


def test_files_without_folders_are_named_as_those_of_fsdd_are():
    made = [f"{w}_{s}_{n}" for w in (7, 8) for s in ("de_la", "bo") for n in range(3)]
    pattern = guess_pattern(made, [None] * len(made))
    assert pattern.template == "{word}_{speaker}_{n}"
    assert pattern.match(made[0]) == {"word": "7", "speaker": "de_la"}
    made = [f"{w}_{n}" for w in (7, 8) for n in range(3)]
    assert guess_pattern(made, [None] * len(made)) is None
    assert guess_pattern([], []) is None


def test_few_names_may_be_odd_but_not_many():
    made, folders, _ = names("{s}_{n}", numbers=range(10))
    odd, places = [*made, "go/hm"], [*folders, "go"]
    assert guess_pattern(odd, places).template == "{speaker}_{n}"
    many = [f"go/hm{letter}" for letter in "abcdefghijklm"]
    assert guess_pattern(made + many, folders + ["go"] * len(many)) is None


@pytest.mark.parametrize(
    ("template", "name", "folder", "expected"),
    [
        ("{speaker}_*", "go/ann_x_y", "go", {"speaker": "ann"}),
        ("*_{speaker}_{n}", "go/a_b_ann_1", "go", {"speaker": "ann"}),
        ("{speaker}{n}", "go/ann12", "go", {"speaker": "ann"}),
        ("{speaker}/{n}", "go/ann/12", "go", {"speaker": "ann"}),
        ("{speaker}.({n})", "go/a+b.(1)", "go", {"speaker": "a+b"}),
        ("{speaker}-{word}", "x/a-Go_On", "go on", {"speaker": "a", "word": "go on"}),
        ("{speaker}-{word}", "x/ann-hi", "turn left", {"speaker": "ann", "word": "hi"}),
        ("{speaker}/{word}/{n}", "ann/go/١٢", "ann", {"speaker": "ann", "word": "go"}),
        ("{word}_{n}", "go_1", None, {"word": "go"}),
        ("{speaker}_{n}", "go/ann_x", "go", None),
    ],
)
def test_patterns_match_the_ends_of_paths(template, name, folder, expected):
    assert NamePattern(template).match(name, folder) == expected


@pytest.mark.parametrize(
    "template", ["", "{n}", "speaker_1", "{speaker}_{speaker}", "{speaker}_{x}", "{", 3]
)
def test_what_is_no_pattern_is_refused(template):
    text = "Invalid value for `speaker_pattern`. Expected text with {speaker} or {word}"
    with pytest.raises(ValueError) as error:
        NamePattern(template)
    assert str(error.value).startswith(text)
    assert str(error.value).endswith(f"Received: speaker_pattern={template!r}")


def test_a_pattern_names_the_first_file_that_it_does_not_match():
    pattern = NamePattern("{speaker}_{n}")
    with pytest.raises(ValueError) as error:
        pattern.match_all(["go/ann_1", "go/ann", "no/ben"], ["go", "go", "no"])
    assert str(error.value) == (
        "The pattern '{speaker}_{n}' does not match 'go/ann', the first of 2 such "
        "names. Expected it to match all files. Received: 1 of 3 that match. Give "
        "another `speaker_pattern`, with * for what differs, or remove these files"
    )
