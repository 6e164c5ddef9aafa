import keras
import numpy as np
import pytest

from keras_rnn2dnn.scoring.word_errors import (
    WordErrorRate,
    WordErrorRateCallback,
    align_words,
    word_error_rate,
)


def levenshtein(a, b):
    """The edit distance by its textbook recursion, row by row."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


def counts(result):
    return result.substitutions, result.deletions, result.insertions


@pytest.mark.parametrize(
    ("references", "hypotheses", "expected", "wer"),
    [
        (["a b c"], ["a b c"], (0, 0, 0), 0.0),
        (["a b c"], ["a x c"], (1, 0, 0), 1 / 3),
        (["a b"], [""], (0, 2, 0), 1.0),
        (["a"], ["b c d"], (1, 0, 2), 3.0),
        (["", "a b"], ["x y", "a b"], (0, 0, 2), 1.0),
        (["", "a b"], ["", "a"], (0, 1, 0), 0.5),
        (["a  b\n"], [["a", "b"]], (0, 0, 0), 0.0),
        ([("new york", "is")], [["new york"]], (0, 1, 0), 0.5),
        ([["a", "b", "a"]], ["b"], (0, 2, 0), 2 / 3),
        (["A"], ["a"], (1, 0, 0), 1.0),
    ],
)
def test_errors_are_counted_exactly(references, hypotheses, expected, wer):
    result = word_error_rate(references, hypotheses)
    assert counts(result) == expected
    assert result.wer == pytest.approx(wer, abs=1e-12)
    assert result.errors == sum(expected)
    assert result.utterances == len(references)


def test_the_errors_are_the_edit_distances_of_the_utterances():
    rng = np.random.default_rng(0)
    pairs = [rng.choice(list("abcd"), (2, 12)) for _ in range(200)]
    sizes = rng.integers(0, 13, (200, 2))
    references = [list(p[0][:n]) for p, (n, _) in zip(pairs, sizes, strict=True)]
    hypotheses = [list(p[1][:m]) for p, (_, m) in zip(pairs, sizes, strict=True)]
    result = word_error_rate(references, hypotheses)
    distances = np.array(list(map(levenshtein, references, hypotheses)))
    words = sizes[:, 0]
    assert result.errors == distances.sum()
    assert result.words == words.sum()
    assert result.wer == pytest.approx(distances.sum() / words.sum())
    # Delta method for the ratio of two means; the bootstrap must come near to it.
    deviations = distances - result.wer * words
    half = 1.96 * np.sqrt((deviations**2).sum()) / words.sum()
    low, high = result.confidence_interval
    assert low == pytest.approx(result.wer - half, abs=0.15 * half)
    assert high == pytest.approx(result.wer + half, abs=0.15 * half)


def test_the_interval_is_exact_where_every_utterance_is_the_same():
    result = word_error_rate(["a b"] * 5, ["a"] * 5)
    assert result.confidence_interval == (0.5, 0.5)


def test_the_interval_depends_on_the_seed_alone():
    references, hypotheses = ["a b", "c", "d e f"] * 5, ["a", "c", "d f f"] * 5
    first = word_error_rate(references, hypotheses, seed=1)
    assert word_error_rate(references, hypotheses, seed=1) == first
    intervals = {
        word_error_rate(references, hypotheses, 50, seed).confidence_interval
        for seed in range(5)
    }
    assert len(intervals) > 1


def test_draws_without_any_reference_word_are_left_out():
    result = word_error_rate(["", "a"], ["", "b"], num_resamples=50)
    assert result.confidence_interval == (1.0, 1.0)


def test_it_prints_what_a_reader_wants_to_know():
    result = WordErrorRate(123 / 997, 60, 40, 23, 997, 200, (0.101, 0.146))
    assert str(result) == "12.34 % (123/997 words, 95 % interval 10.1-14.6)"


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        (["a", "b"], ["a"], "as many utterances as references, 2. Received: .*'1 utt"),
        (["", " "], ["a", ""], "at least one word .* Received: .*'2 empty utterances'"),
        ([], [], "at least one word in all utterances .*'0 empty utterances'"),
        ("a b", ["a b"], "`references`. Expected a sequence of utterances, not one"),
        (["a b"], "a b", "`hypotheses`. Expected .* one string.* Wrap it in a list"),
    ],
)
def test_what_cannot_be_scored_is_an_error(references, hypotheses, message):
    with pytest.raises(ValueError, match=message):
        word_error_rate(references, hypotheses)


def test_mappings_are_paired_by_the_names_of_their_utterances():
    said = {"u1": "turn the light on", "u2": ["off"], "u3": ""}
    heard = {"u2": "of", "u3": "", "u1": ["burn", "a", "kite"]}
    result = word_error_rate(said, heard)
    assert counts(result) == (4, 1, 0) and result.words == 5 and result.wer == 1.0
    (first, second, third) = align_words(said, heard)
    assert (len(first), second, third) == (4, [("off", "of")], [])


@pytest.mark.parametrize("score", [word_error_rate, align_words])
@pytest.mark.parametrize(
    ("references", "hypotheses", "kind", "message"),
    [
        (
            {"a": "x", "b": "y", "c": "z"},
            {"b": "y"},
            ValueError,
            "Invalid value for `hypotheses`. Expected the same utterances as "
            "`references`. Received: hypotheses=\"none of 'a', 'c'\"",
        ),
        (
            {"a": "x"},
            {n: "y" for n in "abcdefgh"},
            ValueError,
            "Invalid value for `references`. Expected the same utterances as "
            "`hypotheses`. Received: references=\"none of 'b', 'c', 'd', 'e', 'f' and "
            '2 more"',
        ),
        (
            {"a": "x"},
            ["x"],
            TypeError,
            "Invalid value for `references`. Expected a sequence of utterances, as "
            "`hypotheses`, or a mapping for both. Received: references='dict'",
        ),
        (
            ["x"],
            {"a": "x"},
            TypeError,
            "Invalid value for `hypotheses`. Expected a sequence of utterances, as "
            "`references`, or a mapping for both. Received: hypotheses='dict'",
        ),
        (
            {"x", "y"},
            ["x", "y"],
            TypeError,
            "Invalid value for `references`. Expected a sequence of utterances. "
            "Received: references='set'",
        ),
        (
            ["x"],
            None,
            TypeError,
            "Invalid value for `hypotheses`. Expected a sequence of utterances. "
            "Received: hypotheses=None",
        ),
        (
            ["x", None],
            ["x", "y"],
            TypeError,
            "Invalid value for `references[1]`. Expected a string, or a sequence of "
            "words. Received: references[1]=None",
        ),
        (
            ["x"],
            [3],
            TypeError,
            "Invalid value for `hypotheses[0]`. Expected a string, or a sequence of "
            "words. Received: hypotheses[0]='int'",
        ),
        (
            ["x"],
            [[3, 1]],
            TypeError,
            "Invalid value for `hypotheses[0]`. Expected a string, or a sequence of "
            "words. Received: hypotheses[0]=[3, 1]. Of class numbers, a decoder gives "
            "the words",
        ),
        (
            [{"x", "y"}],
            ["x"],
            TypeError,
            "Invalid value for `references[0]`. Expected a string, or a sequence of "
            "words. Received: references[0]='set'",
        ),
    ],
)
def test_what_has_no_pairs_is_an_error(score, references, hypotheses, kind, message):
    with pytest.raises(kind) as error:
        score(references, hypotheses)
    assert str(error.value) == message


def test_the_number_of_resamples_must_be_positive():
    with pytest.raises(
        ValueError, match=r"Expected an integer >= 1. Received: num_res"
    ):
        word_error_rate(["a"], ["a"], num_resamples=0)


def identity_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.set_weights([np.eye(2), np.zeros(2)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def first_or_second(outputs):
    return [["first", "second"][row.argmax()] for row in outputs]


def test_the_callback_logs_the_word_error_rate_for_those_after_it(tmp_path):
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    references = ["first", ["second"], "second", "second first"]
    log = tmp_path / "log.csv"
    history = identity_model().fit(
        x,
        x,
        epochs=5,
        verbose=0,
        callbacks=[
            WordErrorRateCallback((x, references), first_or_second, batch_size=3),
            keras.callbacks.EarlyStopping("val_wer", mode="min", patience=1),
            keras.callbacks.CSVLogger(log),
        ],
    )
    assert history.history["val_wer"] == [0.4, 0.4]
    assert log.read_text().splitlines()[0] == "epoch,loss,val_wer"


def test_the_callback_decodes_a_list_of_utterances_without_padding():
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(2)])
    model.set_weights([np.eye(2), np.zeros(2)])
    words = ["no yes", "yes", ""]
    rows = [[(1, 0), (0, 1)], [(0, 1)], np.zeros((0, 2))]
    heard = []

    def decode(outputs):
        heard.extend(len(z) for z in outputs)
        return [[["no", "yes"][row.argmax()] for row in z] for z in outputs]

    utterances = [np.array(row, "float32") for row in rows]
    callback = WordErrorRateCallback((utterances, words), decode)
    callback.set_model(model)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert (logs, heard) == ({"val_wer": 0.0}, [2, 1, 0])


def test_the_callback_predicts_with_the_model_that_is_trained():
    class Wrapper(keras.Model):
        def __init__(self, student):
            super().__init__()
            self.student = student

        def call(self, inputs):
            return 1 - self.student(inputs)

    model = Wrapper(identity_model())
    model.compile("sgd", "mse")
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    callback = WordErrorRateCallback((x, ["first"] * 2), first_or_second, prefix="dev_")
    callback.set_model(model)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs == {"dev_wer": 0.5}
    assert first_or_second(model.predict(x, verbose=0)) == ["second", "first"]


def test_aligned_words_give_both_utterances_back_and_the_fewest_edits():
    rng = np.random.default_rng(0)
    references, hypotheses = (
        [list(rng.choice(["a", "b", "c"], rng.integers(6))) for _ in range(200)]
        for _ in range(2)
    )
    aligned = align_words(references, hypotheses)
    for said, heard, pairs in zip(references, hypotheses, aligned, strict=True):
        assert [s for s, _ in pairs if s is not None] == said
        assert [h for _, h in pairs if h is not None] == heard
        assert sum(s != h for s, h in pairs) == levenshtein(said, heard)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (({"u1": "a"},), ValueError, "Expected a pair .x, references."),
        ((np.zeros((1, 2)), {"u1": "a"}), TypeError, "Of a mapping, give the values"),
        ((np.zeros((1, 2)), [3]), TypeError, "references.0.='int'"),
        ((np.zeros((3, 2)), ["a"]), ValueError, "one for each of the 3 utterances"),
    ],
)
def test_the_references_of_the_callback_are_checked_before_the_training(
    data, kind, message
):
    with pytest.raises(kind, match=message):
        WordErrorRateCallback(data, first_or_second)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"u1": "a"}, r"Invalid value for `decode.outputs.`.*Received: .*'dict'"),
        (None, r"Invalid value for `decode.outputs.`.*=None"),
        ([[1]], "Of class numbers, a decoder gives the words"),
    ],
)
def test_what_a_decoder_of_the_callback_returns_is_checked(found, message):
    callback = WordErrorRateCallback((np.zeros((1, 2)), ["a"]), lambda outputs: found)
    callback.set_model(identity_model())
    with pytest.raises(TypeError, match=message):
        callback.on_epoch_end(0, {})
