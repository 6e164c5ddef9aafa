import itertools
import json

import keras
import numpy as np
import pytest
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments import match_priors
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.commands.running.align import _unlabelled
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder, forward_backward
from keras_rnn2dnn.util.files import Utterances

FEATURES = 6
TOPOLOGY = Topology(("no", "yes"), states_per_unit=3)
STATES = {"no": [0, 1, 2], "yes": [3, 4, 5]}
PRIORS = np.log(np.array([1, 1, 1, 2, 2, 2, 1]) / 10)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    plain_teacher(FEATURES, TOPOLOGY.num_states).save(folder / "t.keras")
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, FEATURES)).astype("float32") for n in (20, 30, 25)]
    Utterances(features, ["yes", "no yes", ""]).save(folder / "known.npz")
    Utterances(features).save(folder / "unknown.npz")
    (folder / "both").mkdir()
    for name in ("known", "unknown"):
        data = (folder / f"{name}.npz").read_bytes()
        (folder / "both" / f"{name}.npz").write_bytes(data)
    for name, priors in (("decoder", PRIORS), ("bare", None)):
        config = WordLoopDecoder(TOPOLOGY, priors).to_dict()
        (folder / f"{name}.json").write_text(json.dumps(config))
    retuned = WordLoopDecoder(TOPOLOGY, PRIORS, 0.5, insertion_penalty=-3.0).to_dict()
    (folder / "retuned.json").write_text(json.dumps(retuned))
    ctc = GreedyDecoder(("a", ""), blank=1).to_dict()
    (folder / "ctc.json").write_text(json.dumps(ctc))
    return folder


def expected_of(files, temperature=1.0):
    """Targets of the six utterances, made without the command."""
    teacher = keras.saving.load_model(files / "t.keras")
    data = Utterances.load(files / "known.npz")
    logits = predict_utterances(teacher, data.features)
    logits = [z / temperature for z in logits]
    words = [text.split() for text in data.transcripts]
    known = forward_backward(logits, words, TOPOLOGY)
    match = match_priors(logits, PRIORS, free=[TOPOLOGY.silence_state])
    matched = match(logits, None)
    words = WordLoopDecoder(TOPOLOGY)(matched)
    assert any(words)
    unknown = forward_backward(matched, words, TOPOLOGY)
    return [np.log(np.maximum(p, 1e-30)) for p in known + unknown]


def test_transcripts_align_and_the_rest_is_matched_and_decoded(files, tmp_path, run):
    align = ("align", files / "t.keras", files / "both", "--out", tmp_path / "store")
    assert run(*align, "--decoder", files / "decoder.json")[0] == 0
    found = [u.soft for u in SoftAlignments(tmp_path / "store").utterances()]
    for soft, expected in zip(found, expected_of(files), strict=True):
        assert np.exp(soft) == pytest.approx(np.exp(expected), abs=1e-3)


def test_posteriors_are_matched_at_the_temperature_at_which_they_are_kept(
    files, tmp_path, run
):
    align = ("align", files / "t.keras", files / "both", "--out", tmp_path / "store")
    options = ("--decoder", files / "decoder.json", "--temperature", "4")
    assert run(*align, *options)[0] == 0
    found = [u.soft for u in SoftAlignments(tmp_path / "store").utterances()]
    for soft, expected in zip(found, expected_of(files, 4.0), strict=True):
        assert np.exp(soft) == pytest.approx(np.exp(expected), abs=1e-3)


def test_what_is_matched_comes_from_all_parts_of_the_data():
    class Source:
        def batches(self):
            for number in range(3000):
                y = {"transcripts": ["no"]} if number % 3 == 2 else {}
                yield np.full((1, number % 5, 1), number + 1.0), y

    found = np.array([u.student[0, 0] - 1 for u in _unlabelled(Source())])
    assert 300 <= len(found) < 600 and not np.any(found % 3 == 2)
    assert np.histogram(found, 4, (0, 3000))[0] == pytest.approx(len(found) / 4, abs=5)


def test_weights_of_transcribed_utterances_fit_a_teacher_with_strides(
    files, tmp_path, run
):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((None, FEATURES)), keras.layers.Conv1D(7, 2, strides=2)]
    keras.Sequential(layers).save(tmp_path / "strided.keras")
    align = ("align", tmp_path / "strided.keras", files / "both")
    options = ("--decoder", files / "decoder.json", "--out", tmp_path / "store")
    assert run(*align, *options)[0] == 0
    utterances = list(SoftAlignments(tmp_path / "store").utterances())
    assert [len(u.soft) for u in utterances] == [10, 15, 12] * 2
    for utterance in utterances[:3]:
        assert utterance.weights == pytest.approx([0.3] * len(utterance.soft))
    assert all(u.weights is None or np.all(u.weights == 1) for u in utterances[3:])


def test_utterances_without_frames_are_left_out(files, tmp_path, run):
    empty = np.zeros((0, FEATURES), "float32")
    features = Utterances.load(files / "unknown.npz").features
    Utterances([empty, *features]).save(tmp_path / "data.npz")
    align = ("align", files / "t.keras", tmp_path / "data.npz")
    options = ("--decoder", files / "decoder.json", "--out", tmp_path / "store")
    assert run(*align, *options)[0] == 0
    found = [u.soft for u in SoftAlignments(tmp_path / "store").utterances()]
    for soft, expected in zip(found, expected_of(files)[3:], strict=True):
        assert np.exp(soft) == pytest.approx(np.exp(expected), abs=1e-3)


def test_one_best_targets_are_one_path_through_the_words(files, tmp_path, run):
    align = ("align", files / "t.keras", files / "both", "--out", tmp_path / "store")
    assert run(*align, "--decoder", files / "decoder.json", "--one-best")[0] == 0
    found = [u.soft[:, 1, 0] for u in SoftAlignments(tmp_path / "store").utterances()]
    expected = expected_of(files)
    for states, words in zip(found, [["yes"], ["no", "yes"], []], strict=False):
        passed = [int(s) for s, _ in itertools.groupby(states) if s != 6]
        assert passed == [s for word in words for s in STATES[word]]
    for states, log_posteriors in zip(found, expected, strict=True):
        # Here as often as the path allows, and mostly, these are the best ones.
        assert np.mean(states == log_posteriors.argmax(axis=-1)) > 0.7


def test_transcribed_utterances_weigh_less_beside_others(files, tmp_path, run):
    decoder = ("--decoder", files / "decoder.json")
    for name, data, options, expected in (
        ("both", "both", decoder, [0.3, 0.3, 0.3, 1, 1, 1]),
        (
            "given",
            "both",
            (*decoder, "--transcribed-weight", "0.5"),
            [0.5] * 3 + [1] * 3,
        ),
        ("alone", "known.npz", decoder, [1, 1, 1]),
        ("plain", "both", (), [1] * 6),
        ("heavy", "both", ("--transcribed-weight", "2"), [2] * 3 + [1] * 3),
    ):
        out = tmp_path / name
        align = ("align", files / "t.keras", files / data, "--out", out)
        assert run(*align, *options)[0] == 0
        utterances = SoftAlignments(out).utterances()
        found = [np.unique(u.weights).tolist() for u in utterances]
        assert found == [[pytest.approx(weight)] for weight in expected], name


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much"])
def test_weights_that_are_none_are_refused(files, tmp_path, run, weight):
    align = ("align", files / "t.keras", files / "both", "--out", tmp_path / "store")
    code, _, error = run(*align, f"--transcribed-weight={weight}")
    assert code == 2 and f"Expected a number > 0. Received: {weight!r}" in error


@pytest.mark.slow  # ten trainings
def test_a_student_learns_paths_through_the_word_loop(files, tmp_path, run):
    decoder = ("--decoder", files / "decoder.json")
    for name, data, options in (
        ("known", "known.npz", decoder),
        ("both", "both", decoder),
        ("plain", "both", ()),
    ):
        out = tmp_path / f"{name}.align"
        align = ("align", files / "t.keras", files / data, "--one-best", "--out", out)
        assert run(*align, *options)[0] == 0
    learnt = {}
    for name, store, options in (
        ("frames", "known", ()),
        ("told frames", "known", (*decoder, "--no-sequence")),
        ("paths", "known", decoder),
        ("told paths", "known", (*decoder, "--sequence")),
        ("unlabelled", "both", decoder),
        ("unlabelled frames", "both", ()),
        ("unlabelled paths", "both", (*decoder, "--sequence")),
        ("retuned", "both", ("--decoder", files / "retuned.json")),
        ("plain", "plain", decoder),
        ("plain frames", "plain", ()),
    ):
        out = tmp_path / f"{name}.keras"
        distill = ("distill", tmp_path / f"{store}.align", "--units", "8")
        code, said, _ = run(*distill, "--epochs", "3", "--out", out, *options)
        frames = "frames" in name or name == "plain"
        assert code == 0 and ("learnt frames" in said) == frames, name
        assert ("learnt paths" in said) != frames
        learnt[name] = keras.saving.load_model(out).get_weights()

    def difference(one, two):
        pairs = zip(learnt[one], learnt[two], strict=True)
        return max(np.abs(a - b).max() for a, b in pairs)

    assert difference("frames", "told frames") == 0
    assert difference("paths", "told paths") == 0
    assert difference("frames", "paths") > 1e-4
    assert difference("unlabelled", "unlabelled paths") == 0
    assert difference("unlabelled", "retuned") == 0
    assert difference("unlabelled", "unlabelled frames") > 1e-4
    assert difference("plain", "plain frames") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("align", "t.keras", "unknown.npz", "--decoder", "ctc.json"),
            "Expected a decoder of words with states, not of CTC",
        ),
        (
            ("align", "t.keras", "unknown.npz", "--decoder", "bare.json"),
            "Expected a decoder with priors, as there are utterances without "
            "transcripts",
        ),
        (
            ("align", "p.ark", "unknown.npz", "--decoder", "decoder.json"),
            "Expected none with an archive of posteriors",
        ),
    ],
)
def test_decoders_that_do_not_fit_are_refused(files, tmp_path, run, arguments, message):
    command, *paths = arguments
    paths = [p if p.startswith("--") else files / p for p in paths]
    code, _, error = run(command, *paths, "--out", tmp_path / "store")
    assert code == 2 and "Invalid value for `--decoder`" in error and message in error
    assert not (tmp_path / "store").exists()


def test_archives_of_posteriors_have_no_weight_of_transcripts(files, tmp_path, run):
    align = ("align", files / "p.ark", files / "known.npz", "--out", tmp_path / "store")
    code, _, error = run(*align, "--transcribed-weight", "0.5")
    message = "Invalid value for `--transcribed-weight`. Expected none with an archive"
    assert code == 2 and f"{message} of posteriors" in error


def test_a_decoder_of_other_states_is_refused(files, tmp_path, run):
    store, other = tmp_path / "store", tmp_path / "other.json"
    assert run("align", files / "t.keras", files / "known.npz", "--out", store)[0] == 0
    topology = Topology(("no",), states_per_unit=3)
    other.write_text(json.dumps(WordLoopDecoder(topology).to_dict()))
    distill = ("distill", store, "--units", "8", "--out", tmp_path / "s.keras")
    code, _, error = run(*distill, "--sequence", "--decoder", other)
    assert code == 2 and "Expected 7 states, as many as the store has classes" in error
    assert not (tmp_path / "s.keras").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sequence",), "Expected a file, as --sequence needs its words"),
        (
            ("--sequence", "--decoder", "ctc.json"),
            "Expected a decoder of words with states, not of CTC",
        ),
        (
            ("--sequence", "--decoder", "decoder.json", "--delay", "auto"),
            "Expected a number with --sequence",
        ),
        (
            ("--sequence", "--decoder", "decoder.json", "--max-bytes", "32k"),
            "Invalid value for `--development`. Expected a file, as a budget needs",
        ),
        (
            ("--units", "64,64", "--max-bytes", "32k"),
            "Invalid value for `--units`. Expected none with a budget",
        ),
        (
            ("--sequence", "--max-bytes", "32k"),
            "Invalid value for `--decoder`. Expected a file, as --sequence needs its",
        ),
    ],
)
def test_options_that_do_not_fit_one_another_are_refused(
    files, tmp_path, run, options, message
):
    store = tmp_path / "store"
    assert run("align", files / "t.keras", files / "known.npz", "--out", store)[0] == 0
    options = [files / o if o.endswith(".json") else o for o in options]
    code, _, error = run("distill", store, "--out", tmp_path / "s.keras", *options)
    assert code == 2 and message in error
    assert not (tmp_path / "s.keras").exists()
