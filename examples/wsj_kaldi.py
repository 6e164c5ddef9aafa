r"""A BLSTM teaches a small DNN on a Kaldi recipe, and Kaldi's decoder uses the DNN.

The experiment of Chan, Ke and Lane, "Transferring Knowledge from a RNN to a DNN"
(https://arxiv.org/abs/1504.01483), for whoever has the Wall Street Journal corpus. Run
egs/wsj/s5/run.sh up to tri4b, then in that directory:

    steps/align_fmllr.sh data/train_si284 data/lang exp/tri4b exp/tri4b_ali_si284
    ali-to-pdf exp/tri4b_ali_si284/final.mdl \
        "ark:gunzip -c exp/tri4b_ali_si284/ali.*.gz|" ark:exp/pdf.ark
    for x in train_si284 test_dev93 test_eval92; do
        steps/nnet/make_fmllr_feats.sh ... data-fmllr/$x data/$x exp/tri4b ...
    done  # the fMLLR features that nnet1's recipes use; likewise exp/pdf_dev93.ark

    pip install kaldiio
    python wsj_kaldi.py --train data-fmllr/train_si284 --labels exp/pdf.ark \
        --development data-fmllr/test_dev93 --development-labels exp/pdf_dev93.ark \
        --test data-fmllr/test_eval92 --out exp/rnn2dnn

    latgen-faster-mapped --acoustic-scale=0.1 --word-symbol-table=words.txt final.mdl \
        HCLG.fst ark:exp/rnn2dnn/dnn_soft/test_eval92.ark ark:lattice.ark

With `--posteriors post.scp`, log-posteriors of the training data which Kaldi or PyTorch
wrote teach in place of the BLSTM.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn import Distiller, SoftAlignments, SpliceFrames, dnn_student, kaldi
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.hmm import estimate_log_priors


def main(arguments=None):
    """Trains teacher and students, and writes what Kaldi's decoder reads."""
    options = parser().parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    out = Path(options.out)
    train = kaldi.KaldiDirectory(options.train, root=options.root)
    development = kaldi.KaldiDirectory(options.development, root=options.root)
    labels = kaldi.read_alignments(options.labels)
    expected = kaldi.read_alignments(options.development_labels)
    highest = max(int(states.max()) for states in labels.values())
    num_classes = options.classes or 1 + highest
    num_features = next(iter(train)).features.shape[1]
    log_priors = estimate_log_priors(list(labels.values()), num_classes)
    kaldi.write_log_priors(out / "priors.vec", log_priors)
    models = {}

    if options.posteriors:
        store = kaldi.store_posteriors(
            out / "soft.align",
            options.posteriors,
            train,
            from_logits=not options.probabilities,
            labels=labels,
            root=options.root,
            top_k=options.top_k,
        )
    else:
        models["blstm"] = train_teacher(
            options, train, labels, num_features, num_classes
        )
        examples = labelled(train, labels)
        store = SoftAlignments.write(
            out / "soft.align", models["blstm"], examples, top_k=options.top_k
        )
    for name, hard in (("dnn_hard", 1.0), ("dnn_soft", 0.0)):
        keras.utils.set_random_seed(options.seed)  # both begin with the same weights
        student = dnn_student(
            num_features, num_classes, options.context, options.student_units
        )
        train_student(options, student, store, hard)
        models[name] = student

    print(f"{'system':10} {'parameters':>10} {'wrong frames of development':>28}")
    for name, model in models.items():
        wrong, frames = frame_errors(model, development, expected)
        share = f"{wrong}/{frames} = {100 * wrong / frames:.2f} %"
        print(f"{name:10} {model.count_params():10,} {share:>28}")
        (out / name).mkdir(exist_ok=True)
        model.save(out / name / "model.keras")
        for test in options.test:
            data = kaldi.KaldiDirectory(test, root=options.root)
            scores = out / name / f"{Path(test).name}.ark"
            kaldi.write_scores(scores, model, data, log_priors)


def train_teacher(options, train, labels, num_features, num_classes):
    """Trains a BLSTM on spliced features and hard labels."""
    inputs = keras.Input((None, num_features))
    x = keras.layers.Masking()(inputs)  # padding is all zero
    x = SpliceFrames(options.splice, options.splice)(x)
    for units in options.teacher_units:
        lstm = keras.layers.LSTM(units, return_sequences=True)
        x = keras.layers.Bidirectional(lstm)(x)
    outputs = keras.layers.Dense(num_classes)(x)
    teacher = keras.Model(inputs, outputs, name="blstm")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(adam(options), loss=loss, weighted_metrics=["accuracy"])
    batches = Batches(train, labels, options.batch_size, options.seed)
    teacher.fit(batches, epochs=options.epochs, verbose=2)
    return teacher


def train_student(options, student, store, hard):
    """Trains a student on a store: on its soft alignments, or on its hard labels."""
    data = store.dataset(
        options.batch_size, shuffle=True, seed=options.seed, labels=True
    )
    distiller = Distiller(None, student, student_loss_weight=hard)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(adam(options), loss=loss)
    distiller.fit(data, epochs=options.epochs, shuffle=False, verbose=2)


def adam(options):
    return keras.optimizers.Adam(options.learning_rate, global_clipnorm=1.0)


class Batches(keras.utils.PyDataset):
    """Padded batches of like length, `(x, labels, weights)`, read when asked for."""

    def __init__(self, data, labels, batch_size, seed):
        super().__init__()
        self.data, self.labels, self.rng = data, labels, np.random.default_rng(seed)
        names = sorted((u.name for u in data if u.name in labels), key=self.length)
        self.batches = [
            names[n : n + batch_size] for n in range(0, len(names), batch_size)
        ]
        self.on_epoch_end()

    def length(self, name):
        """Returns the frames of an utterance."""
        return len(self.labels[name])

    def on_epoch_end(self):
        """Draws the next epoch's order."""
        self.rng.shuffle(self.batches)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        names = self.batches[number]
        features = [self.data.utterance(name).features for name in names]
        shape = (len(names), max(map(self.length, names)))
        x = np.zeros((*shape, features[0].shape[1]), "float32")
        y, weights = np.zeros(shape, "int32"), np.zeros(shape, "float32")
        for row, name in enumerate(names):
            frames = self.length(name)
            x[row, :frames] = features[row]
            y[row, :frames], weights[row, :frames] = self.labels[name], 1
        return x, y, weights


def labelled(data, labels):
    """Yields utterances with their labels, as `SoftAlignments.write` takes them."""
    for utterance in data:
        if utterance.name in labels:
            x, states = utterance.features, labels[utterance.name]
            y = {"ids": [utterance.name], "labels": states[None]}
            yield x[None], y, np.ones((1, len(x)), "float32")


def frame_errors(model, data, labels):
    """Counts the frames whose best class is not that of the labels."""
    utterances = [u for u in data if u.name in labels]
    outputs = predict_utterances(model, [u.features for u in utterances])
    wrong = frames = 0
    for utterance, logits in zip(utterances, outputs, strict=True):
        wrong += int((logits.argmax(axis=-1) != labels[utterance.name]).sum())
        frames += len(logits)
    return wrong, frames


def parser():
    numbers = {"type": lambda text: tuple(int(n) for n in text.split(","))}
    result = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    result.add_argument("--train", required=True, help="data directory")
    result.add_argument("--labels", required=True, nargs="+", help="pdf-ids, archives")
    result.add_argument("--development", required=True)
    result.add_argument("--development-labels", required=True, nargs="+")
    result.add_argument("--test", nargs="*", default=[], help="data directories")
    result.add_argument("--posteriors", help="of another teacher, .ark or .scp")
    result.add_argument(
        "--probabilities", action="store_true", help="they are no logarithms"
    )
    result.add_argument("--out", required=True)
    result.add_argument("--root", default=".", help="where Kaldi ran: s5")
    result.add_argument("--classes", type=int, help="pdfs; default: 1 + highest label")
    result.add_argument("--splice", type=int, default=3, help="frames to each side")
    result.add_argument("--teacher-units", default=(256, 256, 256), **numbers)
    result.add_argument("--student-units", default=(512, 512, 512), **numbers)
    result.add_argument("--context", default=(7, 7), **numbers)
    result.add_argument("--top-k", type=int, help="posteriors kept in each frame")
    result.add_argument("--epochs", type=int, default=10)
    result.add_argument("--batch-size", type=int, default=16, help="utterances")
    result.add_argument("--learning-rate", type=float, default=1e-3)
    result.add_argument("--seed", type=int, default=0)
    return result


if __name__ == "__main__":
    main()
