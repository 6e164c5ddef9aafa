"""Runs the demo: trains, converts, decodes and compares."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora import (
    DIGITS,
    Recording,
    read_fsdd,
    synthetic_recordings,
)
from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.batches import predict_utterances
from keras_rnn2dnn.demo import data as demo_data
from keras_rnn2dnn.demo import table, training
from keras_rnn2dnn.demo.training import Recipe
from keras_rnn2dnn.deploy import Int8Student, convert
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.files import Utterances, joined, new_file
from keras_rnn2dnn.losses import SoftAlignmentKL
from keras_rnn2dnn.progress import StageProgress

_STAGES_OF_A_FOLD = 11
_SYNTHETIC_VOICES, _SYNTHETIC_NEW_VOICES, _SYNTHETIC_REPETITIONS = 12, 4, 40
_CALIBRATION_STRINGS = 200


def demo_recordings(
    directory: str | Path | None = None,
    words: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Recording]:
    """Returns the demo's recordings: real ones, or speech synthesised on the spot.

    Args:
        directory: of the Free Spoken Digit Dataset; None for synthetic speech.
        words: vocabulary; the English digits by default.
        seed: of the synthesis.

    Returns:
        Recordings of single words.

    Raises:
        ImportError: if speech is to be synthesised and espeak-ng is missing.
        ValueError: if a word does not occur in the recordings.
    """
    if directory is None:
        return synthetic_recordings(
            words or DIGITS,
            num_voices=_SYNTHETIC_VOICES,
            repetitions=_SYNTHETIC_REPETITIONS,
            seed=seed,
        )
    recordings = read_fsdd(directory)
    known = {word for recording in recordings for word in recording.words}
    unknown = sorted(set(words or ()) - known)
    if unknown:
        raise ValueError(invalid("words", f"words among {sorted(known)}", unknown))
    return [r for r in recordings if not words or set(r.words) <= set(words)]


def folds_of(
    recordings: Sequence[Recording], protocol: str, speaker: str | None, synthetic: bool
) -> list[tuple[str, ...]]:
    """Returns the held-out speakers of each fold.

    Args:
        recordings: of all speakers.
        protocol: `"official"` or `"new-speaker"`.
        speaker: name, `"all"` for every one in turn, or None for the default: the
            first in alphabetical order, of synthetic voices the last four together.
        synthetic: whether the voices are synthetic.

    Raises:
        ValueError: if the speaker is unknown.
    """
    speakers = sorted({recording.speaker for recording in recordings})
    if protocol == "official":
        return [()]
    if speaker == "all":
        return [(name,) for name in speakers]
    if speaker is None:
        return [tuple(speakers[-_SYNTHETIC_NEW_VOICES:] if synthetic else speakers[:1])]
    if speaker not in speakers:
        raise ValueError(invalid("speaker", f"one of {speakers} or 'all'", speaker))
    return [(speaker,)]


def run_demo(
    recordings: Sequence[Recording],
    out: str | Path,
    protocol: str = "new-speaker",
    speaker: str | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    synthetic: bool = False,
) -> list[dict]:
    """Distils a recurrent teacher into a small student and measures what it brings.

    Writes under `out`: `table.json` and `table.md`; for each fold a directory with the
    models, `student.tflite`, `report.json`, `decoder.json`, `test.npz`,
    `calibration.npz` and the fold's own table.

    Args:
        recordings: of single words by several speakers.
        out: directory of the results.
        protocol: `"new-speaker"` or `"official"`; see `demo.data.split_recordings`.
        speaker: see `folds_of`.
        seed: of everything random.
        recipe: sizes and settings.
        synthetic: whether the speech is synthetic; it is said in the table.

    Returns:
        The rows of `table.json`: of all folds together.

    Raises:
        ValueError: if protocol or speaker are unknown, or there are too few
            recordings.
    """
    out, recipe = Path(out), recipe or Recipe()
    folds = folds_of(recordings, protocol, speaker, synthetic)
    splits = [demo_data.split_recordings(recordings, protocol, held) for held in folds]
    progress = StageProgress(_STAGES_OF_A_FOLD * len(folds))
    outputs = []
    for held, split in zip(folds, splits, strict=True):
        name = "+".join(held) or "official"
        outputs.append(_Fold(split, out / name, seed, recipe, progress).run())
        rows = table.table_rows(outputs[-1])
        table.write_table(out / name, _title(protocol, held, synthetic, seed), rows)
    held = [name for fold in folds for name in fold]
    rows = table.table_rows(table.pooled(outputs))
    table.write_table(out, _title(protocol, held, synthetic, seed), rows)
    return rows


def _title(protocol, held, synthetic, seed):
    source = "SYNTHETIC speech (espeak-ng)" if synthetic else "real recordings"
    heard = f", new: {', '.join(held)}" if held else ""
    return f"Connected words, {source}; protocol {protocol}{heard}; seed {seed}."


@dataclasses.dataclass
class _Fold:
    """One fold: everything that is trained and measured on one split."""

    split: demo_data.Split
    out: Path
    seed: int
    recipe: Recipe
    progress: StageProgress

    def run(self):
        self._make_data()
        teacher = self._new("teacher")
        self._start("teacher: train")
        training.train_on_states(
            teacher,
            self.transcribed,
            self.recipe,
            self.seed,
            self.progress,
            self.recipe.teacher_batch_size,
            self.recipe.teacher_learning_rate,
        )
        self.teacher_logits = self._logits(teacher, self.test)
        outputs = [self._measure("RNN teacher", teacher, "teacher")]
        outputs.append(self._hard_student())
        outputs.append(
            self._distilled(
                teacher,
                "student, soft, transcribed audio",
                "student_soft",
                self.transcribed,
                SoftAlignmentKL(),
                "noisy",
            )
        )
        one_best = SoftAlignmentKL(teacher_temperature=0)
        name = "student, distilled"
        outputs.append(
            self._distilled(teacher, name, "student", self.mixed, one_best, "clean")
        )
        outputs.append(self._int8(name))
        self.progress.finish()
        return outputs

    def _start(self, stage):
        several = self.progress.num_stages > _STAGES_OF_A_FOLD
        self.progress.start(f"{self.out.name}: {stage}" if several else stage)

    def _make_data(self):
        recipe, split = self.recipe, self.split
        self._start("align from transcripts alone")
        rate = split.train[0].sample_rate_hz
        self.layer = LogMel.from_spec(demo_data.feature_spec(rate))
        vocabulary = sorted({word for r in split.train for word in r.words})
        self.topology = hmm.Topology(tuple(vocabulary))
        train = demo_data.at_speeds(split.train, recipe.speeds)
        alignments = demo_data.align_recordings(
            train, self.topology, self.layer, self.seed
        )
        self._start("word strings and features")
        both = recipe.transcribed_strings + recipe.unlabelled_strings
        self.transcribed, unlabelled = demo_data.training_banks(
            split,
            alignments,
            train,
            self.layer,
            self.topology.silence_state,
            (both, recipe.unlabelled_strings),
            recipe.num_banks,
            self.seed,
        )
        self.mixed = self.transcribed
        if unlabelled:
            kept = recipe.transcribed_strings
            pairs = zip(self.transcribed, unlabelled, strict=True)
            self.mixed = [labelled[:kept] + others for labelled, others in pairs]
        self.development = demo_data.evaluation_strings(
            split.development,
            recipe.development_strings,
            "development",
            self.layer,
            self.seed,
        )
        self.test = demo_data.evaluation_strings(
            split.test, recipe.test_strings, "test", self.layer, self.seed
        )
        log_priors = hmm.estimate_log_priors(
            [s.states for s in self.transcribed[0]], self.topology.num_states
        )
        self.decoder = hmm.WordLoopDecoder(self.topology, log_priors=log_priors)

    def _new(self, kind):
        make = training.new_teacher if kind == "teacher" else training.new_student
        num_bins = self.layer.spec.num_bins
        return make(num_bins, self.topology.num_states, self.recipe, self.seed)

    def _hard_student(self):
        self._start("student on hard labels: train")
        student = self._new("student")
        training.train_on_states(
            student,
            self.transcribed,
            self.recipe,
            self.seed,
            self.progress,
            self.recipe.student_batch_size,
            self.recipe.student_learning_rate,
        )
        return self._measure(table.HARD, student, "student_hard")

    def _distilled(self, teacher, system, file, banks, loss, teacher_hears):
        self._start(f"{system}: train")
        student = self._new("student")
        training.distil(
            teacher,
            student,
            banks,
            self.recipe,
            self.seed,
            self.progress,
            loss,
            teacher_hears,
        )
        self.student = student
        return self._measure(system, student, file)

    def _measure(self, system, model, file):
        """Tunes the decoder on development strings, then reads the test once."""
        self._start(f"{system}: recognise")
        self.tuned = hmm.tune_decoder(
            self.decoder,
            _log_softmax(self._logits(model, self.development)),
            [list(s.words) for s in self.development],
        )
        with new_file(self.out / f"{file}.keras") as path:
            model.save(path)
        logits = self._logits(model, self.test)
        return self._output(system, model.count_params(), 4, logits)

    def _int8(self, name):
        self._start("int8: convert and recognise")
        strings = self.mixed[0][-_CALIBRATION_STRINGS:]
        Utterances([s.noisy for s in strings]).save(self.out / "calibration.npz")
        references = joined([s.words for s in self.test])
        test = Utterances([s.noisy for s in self.test], references)
        test.save(self.out / "test.npz")
        with new_file(self.out / "decoder.json") as path:
            path.write_text(json.dumps(self.tuned.to_dict()) + "\n")
        report = convert(
            self.student,
            self.out,
            [s.noisy for s in strings],
            feature_spec=self.layer.spec,
        )
        logits = Int8Student.load(self.out).predict(test.features)
        output = self._output(f"{name}, int8", self.student.count_params(), 1, logits)
        return dataclasses.replace(output, num_bytes=report.bytes)

    def _output(self, system, parameters, bytes_per_parameter, logits):
        return table.system_output(
            system,
            parameters,
            parameters * bytes_per_parameter,
            [s.words for s in self.test],
            self.tuned(_log_softmax(logits)),
            logits,
            self.teacher_logits,
        )

    def _logits(self, model: keras.Model, strings):
        return predict_utterances(model, [s.noisy for s in strings])


def _log_softmax(logits):
    return [z - np.logaddexp.reduce(z, axis=-1, keepdims=True) for z in logits]
