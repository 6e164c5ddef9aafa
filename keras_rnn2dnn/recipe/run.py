"""One fold of the demo: everything that is trained and measured on one split."""

import dataclasses
import json
from pathlib import Path

import keras

from keras_rnn2dnn import hmm
from keras_rnn2dnn.alignments import by_transcript, chained, match_priors
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.deploy import Int8Student, convert, load_bundle
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.recipe import strings as demo_data
from keras_rnn2dnn.recipe import student as training
from keras_rnn2dnn.recipe.history import EpochRecorder
from keras_rnn2dnn.recipe.student import Recipe
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.files import Audio, Utterances, joined, new_file
from keras_rnn2dnn.util.progress import StageProgress
from keras_rnn2dnn.util.sums import with_sum
from keras_rnn2dnn.util.tensorboard import write_scalars

NUM_STAGES = 13  # and one for each further round
_MATCHED_STRINGS = 300
_CALIBRATION_STRINGS = 200
_WATCHED_STRINGS = 40  # development strings recognised after each epoch


@dataclasses.dataclass
class Fold:
    """Trains teacher and students on one split, and measures them on its test.

    Args:
        split: the recordings by their use.
        out: directory of the results.
        seed: of everything random.
        recipe: sizes and settings.
        progress: counts `NUM_STAGES`.
        one_of_several: whether there are other folds.
        keep_alignments: whether the soft alignments of the distilled student stay, in
            `student.align`.
    """

    split: demo_data.Split
    out: Path
    seed: int
    recipe: Recipe
    progress: StageProgress
    one_of_several: bool = False
    keep_alignments: bool = False

    def run(self) -> list[table.SystemOutput]:
        """Returns what each system gave, in the order of the table."""
        self.histories: dict[str, dict] = {}
        self._make_data()
        teacher, outputs = self._on_states("RNN teacher", "teacher", self.transcribed)
        hard, output = self._on_states(table.HARD, "student_hard", self.transcribed)
        outputs += output
        self_labelled = [self._labelled_by(hard, bank) for bank in self.mixed]
        outputs += self._on_states(table.SELF, "student_self", self_labelled)[1]
        soft = self._distilled(
            "student_soft", teacher, self.transcribed, teacher_hears="noisy"
        )
        outputs += self._measure(table.SOFT, "student_soft", *soft)
        labellers = [teacher, hard] if self.split.unlabelled else [teacher]
        student, recorder = self._best(labellers)
        outputs += self._measure(table.DISTILLED, "student", student, recorder)
        outputs += self._int8(student)
        with new_file(self.out / "history.json") as path:
            path.write_text(json.dumps(self.histories, indent=2) + "\n")
        self.progress.finish()
        return outputs

    def _best(self, labellers):
        """Distils by the demo's recipe, of which README and docs/results.md tell.

        Args:
            labellers: whose mean posteriors are learnt in the first round.
        """
        options = {"one_best": True, "teacher_hears": "clean"}
        options["paths"] = hmm.SequenceKL.of_words(self.topology)
        rounds = self.recipe.rounds
        if self.split.unlabelled:
            options["transcribed_weight"] = self.recipe.transcribed_weight
        for number in range(1, rounds + 1):
            options["transform"] = self._targets(labellers)
            file = "student" if number == rounds else f"student_round{number}"
            student, recorder = self._distilled(file, labellers, self.mixed, **options)
            labellers = [student]
        return student, recorder

    def _targets(self, labellers):
        """Returns what is made of the mean posteriors of models: paths of words."""
        known = hmm.constrained(self.topology)
        clean = [s.clean for s in self.mixed[0] if s.states is None][:_MATCHED_STRINGS]
        if not clean:
            return known
        outputs = training.mean_log_posteriors(labellers, clean)
        free = [self.topology.silence_state]
        matched = match_priors(outputs, self.decoder.log_priors, free)
        decoder = self._tuned_on_development(labellers)
        return by_transcript(known, chained(matched, hmm.decoded(decoder)))

    def _tuned_on_development(self, models):
        words = [list(s.words) for s in self.development]
        heard = [s.noisy for s in self.development]
        outputs = training.mean_log_posteriors(models, heard)
        return hmm.tune_decoder(self.decoder, outputs, words)

    def _distilled(self, file, teacher, banks, one_best=False, **options):
        self._start(f"{file}: train")
        student = self._new("student")
        recorder = self._recorder(student)
        training.distil(
            teacher,
            student,
            banks,
            self.recipe,
            self.seed,
            self.progress,
            one_best=one_best,
            keep=self._kept(file),
            recorder=recorder,
            **options,
        )
        return student, recorder

    def _kept(self, file):
        kept = self.keep_alignments and file == "student"
        return self.out / "student.align" if kept else None

    def _start(self, stage):
        self.progress.start(
            f"{self.out.name}: {stage}" if self.one_of_several else stage
        )

    def _make_data(self):
        recipe, split = self.recipe, self.split
        self._start("align from transcripts alone")
        vocabulary = sorted({word for r in split.train for word in r.words})
        self.topology = hmm.Topology(tuple(vocabulary))
        train = demo_data.at_speeds(split.train, recipe.speeds)
        self.layer = demo_data.feature_layer(train, self.seed)
        alignments = demo_data.align_recordings(
            train, self.topology, self.layer, self.seed
        )
        self._start("word strings and features")
        self.transcribed, self.mixed = demo_data.training_banks(
            dataclasses.replace(split, train=train),
            alignments,
            self.layer,
            self.topology.silence_state,
            (recipe.transcribed_strings, recipe.unlabelled_strings),
            recipe.num_banks,
            self.seed,
        )
        self.development, self.test = (
            demo_data.evaluation_strings(split, use, number, self.layer, self.seed)
            for use, number in (
                ("development", recipe.development_strings),
                ("test", recipe.test_strings),
            )
        )
        log_priors = hmm.estimate_log_priors(
            [s.states for s in self.transcribed[0]], self.topology.num_states
        )
        self.decoder = hmm.WordLoopDecoder(self.topology, log_priors=log_priors)

    def _new(self, kind):
        make = training.new_teacher if kind == "teacher" else training.new_student
        num_bins = self.layer.spec.num_bins
        return make(num_bins, self.topology.num_states, self.recipe, self.seed)

    def _labelled_by(self, model, strings):
        """Labels what has no labels with a model's best states on the clean strings."""
        unlabelled = [s for s in strings if s.states is None]
        outputs = iter(predict_utterances(model, [s.clean for s in unlabelled]))
        return [
            dataclasses.replace(s, states=next(outputs).argmax(-1).astype("int32"))
            if s.states is None
            else s
            for s in strings
        ]

    def _on_states(self, system, file, banks):
        kind = file.partition("_")[0]
        self._start(f"{file}: train")
        model = self._new(kind)
        recorder = self._recorder(model)
        training.train_on_states(
            model,
            banks,
            self.recipe,
            self.seed,
            self.progress,
            batch_size=getattr(self.recipe, f"{kind}_batch_size"),
            learning_rate=getattr(self.recipe, f"{kind}_learning_rate"),
            recorder=recorder,
        )
        if kind == "teacher":
            self.teacher_logits = self._logits(model, self.test)
            self.teacher_watched = recorder.logits[-1]
            self._agree(model)
        return model, self._measure(system, file, model, recorder)

    def _agree(self, teacher):
        """Prepares what decoders are tuned on.

        Development strings; and of the new speaker, whose transcripts nobody has,
        noisy strings with the words that the teacher recognises in the clean ones.
        """
        words = [list(s.words) for s in self.development]
        heard = [s for s in self.mixed[-1] if s.states is None]
        heard = heard[-self.recipe.agreed_strings :]
        if heard:
            clean = predict_utterances(teacher, [s.clean for s in heard])
            words += self._tuned_on_development([teacher])(clean)
        self.tuning = [*self.development, *heard], words

    def _measure(self, system, file, model, recorder):
        """Tunes the decoder, then reads the test once."""
        self._start(f"{file}: recognise")
        strings, words = self.tuning
        logits = self._logits(model, strings)
        self.tuned = hmm.tune_decoder(self.decoder, logits, words)
        with new_file(self.out / f"{file}.keras") as path:
            model.save(path)
        with new_file(self.out / f"{file}.decoder.json") as path:
            path.write_text(json.dumps(with_sum(self.tuned.to_dict())) + "\n")
        self._keep_history(system, file, recorder)
        logits = self._logits(model, self.test)
        return [self._output(system, model.count_params(), 4, logits)]

    def _recorder(self, model):
        return EpochRecorder(model, [s.noisy for s in self._watched()])

    def _watched(self):
        return self.development[:_WATCHED_STRINGS]

    def _keep_history(self, system, file, recorder):
        """Measures all epochs with the decoder that was chosen at the end."""
        measured = recorder.measured(
            None if file == "teacher" else self.teacher_watched,
            self.tuned,
            [s.words for s in self._watched()],
        )
        write_scalars(self.out / "tensorboard" / file, measured)
        strings = len(self._watched())
        self.histories[file] = {"system": system, "strings": strings, **measured}

    def _int8(self, student):
        """Converts, and recognises once with TensorFlow Lite, once as the device."""
        self._start("int8: convert and recognise")
        calibration = self.mixed[0][-_CALIBRATION_STRINGS:]
        features = [s.noisy for s in calibration]
        Utterances(features).save(self.out / "calibration.npz")
        references = joined([s.words for s in self.development])
        development = Utterances([s.noisy for s in self.development], references)
        development.save(self.out / "development.npz")
        references = joined([s.words for s in self.test])
        Utterances([s.noisy for s in self.test], references).save(self.out / "test.npz")
        pcm, spec = [int16_pcm(s.samples) for s in self.test], self.layer.spec
        audio = Audio(pcm, spec.sample_rate_hz, references)
        audio.save(self.out / "test_audio.npz")
        with new_file(self.out / "features.json") as path:
            path.write_text(json.dumps(with_sum(spec.to_dict())) + "\n")
        bundle = self.out / "bundle"
        report = convert(
            student,
            bundle,
            features,
            feature_spec=spec,
            decode=self.tuned,
            recordings=audio,
        )
        logits = Int8Student.load(bundle).predict([s.noisy for s in self.test])
        host = self._output(table.INT8, student.count_params(), 1, logits)
        recognizer = load_bundle(bundle).recognizer
        logits = [recognizer.logits(samples) for samples in pcm]
        words = [[w.text for w in found] for found in recognizer.decode(logits)]
        logits = [recognizer.network.dequantized(z) for z in logits]
        device = self._output(table.DEVICE, student.count_params(), 1, logits, words)
        outputs = (host, device)
        return [dataclasses.replace(o, num_bytes=report.bytes) for o in outputs]

    def _output(self, system, parameters, bytes_per_parameter, logits, words=None):
        return table.system_output(
            system,
            parameters,
            parameters * bytes_per_parameter,
            [s.words for s in self.test],
            self.tuned(logits) if words is None else words,
            logits,
            self.teacher_logits,
        )

    def _logits(self, model: keras.Model, strings):
        return predict_utterances(model, [s.noisy for s in strings])
