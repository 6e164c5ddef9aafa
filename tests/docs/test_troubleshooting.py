"""Every error text on the page of troubleshooting is one that is raised."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import pages
from helpers.bundles import BINS, DECODER, SPEC, TOPOLOGY, parts
from helpers.bundles import student as small_student
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import (
    Distiller,
    KLCallback,
    LogMel,
    Recognizer,
    SoftAlignmentKL,
    SoftAlignments,
    cli,
    convert,
    dnn_student,
    hmm,
    word_error_rate,
)
from keras_rnn2dnn.alignments.shards import manifest
from keras_rnn2dnn.audio.corpora.loading import AudioFile, AudioLoader
from keras_rnn2dnn.audio.corpora.manifests import read_manifest
from keras_rnn2dnn.audio.corpora.recordings import read_fsdd
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.kaldi import read_archive
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.recognition.streaming import int16_samples
from keras_rnn2dnn.report.utterances import choose
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.util.checksums import with_sum
from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.errors import import_extra
from keras_rnn2dnn.util.files import Utterances

HEADINGS = re.findall(r"^### (.*)$", pages.PAGES["troubleshooting"].read_text(), re.M)
X = np.random.default_rng(0).normal(size=(8, 20, 4)).astype("float32")


def teacher(classes=5):
    return plain_teacher(4, classes)


def student(classes=5, **options):
    return dnn_student(4, classes, context=(1, 1), units=(4,), **options)


def compiled(*arguments, loss=None, **options):
    distiller = Distiller(*arguments, **options)
    distiller.compile("adam", loss=loss)
    return distiller


def with_softmax():
    return keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(5, "softmax")])


class Counting(keras.layers.Layer):
    def build(self, shape):
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.seen.assign_add(1.0)
        return x + self.seen


def own_state():
    layers = [keras.Input((None, 4)), Counting(), keras.layers.Dense(5)]
    compiled(keras.Sequential(layers), student()).fit(X)


def hard():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def not_a_number():
    model = teacher()
    model.layers[-1].bias.assign([float("nan")] * 5)
    compiled(model, student()).fit(X)


def lost_frames():
    dense = keras.layers.TimeDistributed(keras.layers.Dense(5))
    model = keras.Sequential([keras.Input((None, 4)), dense])
    signature = tf.TensorSpec((None, None, 4))
    data = tf.data.Dataset.from_generator(lambda: [X], output_signature=signature)
    try:
        compiled(model, student()).fit(data, verbose=0)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(error.message) from error


def several_outputs():
    x = keras.Input((None, 4))
    model = keras.Model(x, [keras.layers.Dense(n)(x) for n in (5, 2)])
    SoftAlignments.write("store", model, X)


def other_schedule():
    distiller = compiled(teacher(), student(), keras.losses.MeanSquaredError())
    distiller.fit(X, callbacks=[KLCallback(X, temperature=lambda epoch: 1.0)])


def not_imported():
    student().save("student.keras")
    registered = keras.saving.get_custom_objects()
    ours = dict(registered)
    registered.clear()  # as it is before the package is imported
    try:
        keras.saving.load_model("student.keras")
    finally:
        registered.update(ours)


def unfinished():
    SoftAlignments.write("part", teacher(), X, part=(0, 2), utterances_per_shard=4)
    kept = manifest.Manifest.load(pages.Path("part"))
    kept.__class__(kept.settings, kept.shards).save(pages.Path("part"))
    SoftAlignments("part")


def another_kind():
    for _ in range(2):
        SoftAlignments.write("store", teacher(), X)


def other_data():
    model = student()
    for data in (X, X + 1):
        SoftAlignments.write("store", model, data)


def damaged():
    store = SoftAlignments.write("store", teacher(), X)
    (shard,) = store.path.glob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-9])
    store.dataset()


def edited_json():
    fields = with_sum(FeatureSpec(8000).to_dict())
    FeatureSpec.from_dict({**fields, "num_bins": 41})


def backup(damage=False):
    state = EpochBackup("training.backup", {"seed": 0}, keep=True)
    state.set_model(student())
    state.on_epoch_end(0)
    if damage:
        state.path.write_bytes(state.path.read_bytes()[:-9])
    EpochBackup("training.backup", {"seed": 1})


def bomb():
    np.savez_compressed("a.npz", features=np.zeros(1 << 25))
    Utterances.load("a.npz")


def two_writers():
    with manifest.locked(pages.Path("store")):
        SoftAlignments.write("store", teacher(), X)


def unknown_word():
    topology = hmm.Topology(("yes", "no"), states_per_unit=1)
    hmm.align([np.zeros((9, 3))], ["Yes"], topology)


def too_short():
    topology = hmm.Topology(("yes", "no"))
    hmm.align([np.zeros((4, 11))], ["yes"], topology)


def no_audio():
    list(AudioLoader([AudioFile("a.wav", "a")], sample_rate_hz=8000, strict=True))


def other_field():
    pages.Path("a.jsonl").write_text('{"audio": "a.wav", "start": 1}')
    read_manifest("a.jsonl")


def no_archive():
    pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")
    pages.Path("a.ark").write_bytes(b"u1 \0BXX ")
    list(read_archive("a.ark"))


def recurrent():
    layers = [keras.Input((None, 4)), keras.layers.LSTM(5, return_sequences=True)]
    convert(keras.Sequential(layers), "bundle", X)


def subclassed():
    class Student(keras.Model):
        def call(self, inputs):
            return tf.cumsum(inputs)

    student = Student()
    student(np.zeros((1, 50, 4)))
    convert(student, "bundle", X)


def missing_c(layer, **options):
    layers = [layer, keras.layers.Dense(TOPOLOGY.num_states)]
    model = keras.Sequential([keras.Input((None, BINS)), *layers])
    calibration = parts()["calibration"]
    raise RuntimeError(convert(model, "bundle", calibration, **options).missing_c)


def own_layer():
    class Dense(keras.layers.Dense):
        pass

    convert(keras.Sequential([keras.Input((None, 4)), Dense(5)]), "bundle", X)


def padded_shift():
    norm = keras.layers.BatchNormalization(beta_initializer="ones")
    conv = keras.layers.Conv1D(5, 3, padding="same")
    model = keras.Sequential([keras.Input((None, 4)), norm, conv])
    quantization_aware(model, X)


def file_in_the_way():
    pages.Path("file").touch()
    convert(student(), "file/bundle", X)


def fixed_frames():
    inputs = keras.Input((20, 4))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    convert(model, "bundle", X)


def other_files():
    pages.Path("bundle").mkdir()
    pages.Path("bundle/report.md").write_text("mine")
    convert(student(), "bundle", X)


def edited():
    convert(small_student(), "bundle", **parts())
    with open("bundle/c/model.h", "a") as file:
        file.write("\n")
    load_bundle("bundle")


def student_exists():
    pages.Path("student.keras").touch()
    options = ["--out", "student.keras", "--verbose"]
    cli.main(["distill", "store", *options])


def bundle(**options):
    convert(small_student(), "bundle", parts()["calibration"], **options)


def not_whole():
    bundle()
    pages.Path("bundle/student.tflite").unlink()
    load_bundle("bundle")


def network_alone():
    bundle()
    Recognizer.load("bundle")


def ended():
    bundle(feature_spec=SPEC, decode=DECODER)
    stream = Recognizer.load("bundle").stream()
    stream.finish()
    stream.finish()


RAISED = {
    "The teacher is declared to give logits": lambda: Distiller(
        with_softmax(), student()
    ),
    "The teacher is declared to give probabilities": lambda: compiled(
        teacher(), student(), SoftAlignmentKL(teacher_from_logits=False)
    ).fit(X),
    "Different numbers of classes": lambda: Distiller(teacher(5), student(6)),
    "Different numbers of frames": lambda: compiled(teacher(), student(stride=2)).fit(
        X
    ),
    "loses frames where it is compiled for any number of them": lost_frames,
    "Invalid output of the teacher": lambda: compiled(
        keras.Sequential([keras.Input((None, 4)), keras.layers.LSTM(5)]), student()
    ).fit(X),
    "Different kinds of outputs": lambda: compiled(
        teacher(), keras.Sequential([keras.Input((None, 4)), keras.layers.LSTM(5)])
    ).fit(X),
    "several outputs of the teacher": several_outputs,
    "Teacher and student share layers": lambda: Distiller(*[teacher()] * 2),
    "keeps a state from batch to batch": own_state,
    "The data set gives utterances, not batches": lambda: compiled(
        teacher(), student()
    ).fit(tf.data.Dataset.from_tensor_slices(X)),
    "needs a hard loss": lambda: compiled(
        teacher(), student(), student_loss_weight=0.5
    ),
    "needs hard labels": lambda: compiled(
        teacher(), student(), student_loss_weight=0.5, loss=hard()
    ).fit(X),
    "Expected a loss of logits, since the student gives logits": lambda: compiled(
        teacher(), student(), loss="sparse_categorical_crossentropy"
    ),
    "A Distiller without a teacher learns from the data": lambda: compiled(
        None, student()
    ).fit(X),
    "Invalid value for `teacher_delay`": lambda: compiled(
        teacher(), student(), teacher_delay=20
    ).fit(X),
    "No frame counts in the first batch": lambda: compiled(teacher(), student()).fit(
        X, sample_weight=np.zeros((8, 20))
    ),
    "The teacher's output is not a number": not_a_number,
    "The `sample_weight` is not a number": lambda: compiled(teacher(), student()).fit(
        X, sample_weight=np.full((8, 20), np.nan)
    ),
    "The hard loss is not a number": lambda: compiled(
        teacher(), student(), student_loss_weight=0.5, loss=hard()
    ).fit(X, np.full((8, 20), 7)),
    "A schedule of the temperature needs `SoftAlignmentKL`": other_schedule,
    "Could not locate class": not_imported,
    "No soft alignments in": lambda: SoftAlignments("nowhere"),
    "is unfinished. Expected a complete one": unfinished,
    "holds soft alignments of another kind": another_kind,
    "The data are not those of the first run": other_data,
    "is damaged. Expected": damaged,
    "its `sha256` is not that of its content": edited_json,
    "is of a training with other settings": backup,
    "is no backup that can be used": lambda: backup(damage=True),
    "is not unpacked": bomb,
    "Another process writes to": two_writers,
    "Invalid value for `top_k`": lambda: SoftAlignments.write(
        "store", teacher(), X, top_k=5
    ),
    "Expected words of the vocabulary": unknown_word,
    "frames in utterance": too_short,
    "as many utterances as references": lambda: word_error_rate(["a", "b"], ["a"]),
    "Expected the same utterances as `references`": lambda: word_error_rate(
        {"u1": "a"}, {"u2": "a"}
    ),
    "Of class numbers, a decoder gives the words": lambda: word_error_rate(
        ["a"], [[3]]
    ),
    "Expected words of the decoder's vocabulary": lambda: check_vocabulary(
        ["Up"], DECODER
    ),
    "Audio too short": lambda: LogMel(8000)(np.zeros((1, 100), "float32")),
    "Cannot use the audio file": no_audio,
    "Divide 16-bit PCM by 32768": lambda: LogMel(8000)(np.full((1, 400), 1e3, "f4")),
    "is no field of a manifest": other_field,
    "as a Kaldi archive": no_archive,
    "Install it with: pip install": lambda: import_extra("no_such_module", "ctc", "It"),
    "Expected int16, or floats": lambda: int16_samples(bytes(4)),
    "The stream has ended": ended,
    "No recordings in": lambda: read_fsdd("."),
    "Expected at least 500 context windows": lambda: convert(student(), "b", X),
    "hides its layers": subclassed,
    "Recurrent: it cannot run on a window": recurrent,
    "The bundle has no C code": lambda: missing_c(keras.layers.LeakyReLU()),
    "The C code is the network alone": lambda: missing_c(
        keras.layers.Dense(8, "relu"),
        feature_spec=SPEC,
        decode=hmm.WordLoopDecoder(TOPOLOGY, bigram=np.zeros((3, 2))),
    ),
    "It is one of your own, of which nothing is known": own_layer,
    "quantization_aware folds it into a layer with weights": padded_shift,
    "Its number of frames is fixed": fixed_frames,
    "It holds teacher and student": lambda: convert(
        Distiller(teacher(), student()), "bundle", X
    ),
    "Is it the specification of this student's features?": lambda: convert(
        student(), "bundle", X, feature_spec=LogMel(8000).spec
    ),
    "Cannot write to": file_in_the_way,
    "It holds files of other origin": other_files,
    "was changed. Expected SHA-256": edited,
    "No bundle in": lambda: Recognizer.load("."),
    "The bundle is not whole": not_whole,
    "Expected a bundle with a feature specification and a decoder": network_alone,
    "exists. Give another name, or remove it": student_exists,
    "Expected indices of test strings": lambda: choose([None], [[("a", "a")]], [1]),
}


def test_the_page_has_no_other_error():
    assert list(RAISED) == HEADINGS


@pytest.mark.parametrize("text", RAISED)
def test_the_error_is_raised(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        (ValueError, TypeError, OSError, ImportError, RuntimeError),
        match=re.escape(text),
    ):
        RAISED[text]()
