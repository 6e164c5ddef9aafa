"""The whole way on one split: `RecipeRun`."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import keras

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.recipe import student, teacher
from keras_rnn2dnn.recipe.align import align_recordings, align_strings, at_speeds
from keras_rnn2dnn.recipe.bundle import make_bundle
from keras_rnn2dnn.recipe.kept_models import KeptModels
from keras_rnn2dnn.recipe.material import Material, feature_layer, make_material
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.recipe.steps import Steps, fingerprint_of, load_arrays, save_arrays
from keras_rnn2dnn.recipe.streams import stream_topology
from keras_rnn2dnn.recipe.targets import labelled_by, path_targets
from keras_rnn2dnn.recipe.trained import (
    Trained,
    save_model,
)
from keras_rnn2dnn.util.progress import StageProgress


class RecipeRun(KeptModels):
    """Makes of recordings a teacher, students and a bundle, each when it is asked for.

    What a step gave lies under `out`, and is taken from there by a later run of the
    same recordings, recipe and seed. A training that was stopped goes on after its last
    whole epoch.

    Args:
        split: recordings by their use.
        out: directory of the results: of each model `NAME.keras`, `NAME.decoder.json`
            and `tensorboard/NAME`; what `make_bundle` writes; and `steps/`.
        recipe: the numbers.
        seed: of everything random.
        progress: shows the stages.
        title: stands before the name of each stage.
        keep_alignments: whether the store that the distilled student learned from
            stays, in `student.align`.
        topology: of the words; by default each word of the training has states of its
            own, and in streams other speech one, if there is any.

    Raises:
        ValueError: see `Split.check`.
    """

    def __init__(
        self,
        split: Split,
        out: Path,
        recipe: Recipe,
        seed: int,
        progress: StageProgress,
        title: str = "",
        keep_alignments: bool = False,
        topology: hmm.Topology | None = None,
    ):
        split.check()
        self.split = split
        words = hmm.Topology(split.vocabulary)
        self.topology = topology or stream_topology(words, split, recipe.streams)
        fingerprint = fingerprint_of(split, recipe, seed, self._depends_on())
        steps = Steps(out, fingerprint)
        super().__init__(out, recipe, seed, progress, title, keep_alignments, steps)

    @cached_property
    def material(self) -> Material:
        """The word strings, of recordings that are aligned by their transcripts."""
        self._start("align from transcripts alone")
        train = at_speeds(self.split.train, self.recipe.speeds)
        layer, alignments = self._aligned(train)
        self._start("word strings and features")
        given = self.topology, layer, self.recipe, self.seed, self._aligned_strings
        return make_material(self.split, train, alignments, *given)

    @cached_property
    def teacher(self) -> Trained:
        """The recurrent teacher, trained on the hard alignments."""
        return self._on_states("teacher", lambda: self.material.transcribed)

    @cached_property
    def hard(self) -> Trained:
        """The student of hard labels."""
        return self._on_states("student_hard", lambda: self.material.transcribed)

    @cached_property
    def self_labelled(self) -> Trained:
        """The student of hard labels and, without transcripts, those of `hard`."""

        def banks():
            run = self.inference_of(self.hard.model)
            return [labelled_by(run, bank) for bank in self.material.mixed]

        return self._on_states("student_self", banks)

    @cached_property
    def soft(self) -> Trained:
        """The student of the teacher's posteriors of transcribed noisy strings."""

        def learn(model, **options):
            self._distil(
                model,
                self.teacher.model,
                self.material.transcribed,
                one_best=False,
                teacher_hears="noisy",
                **options,
            )

        return self._trained("student_soft", student.new_student, learn)

    @cached_property
    def without_teacher(self) -> Trained:
        """As `distilled`, but no RNN labels: the student of hard labels does."""
        return self._by_rounds("student_alone", [self.hard.model])

    @cached_property
    def distilled(self) -> Trained:
        """The student of paths of words, after the rounds of the recipe."""
        labellers = [self.teacher.model]
        if self.split.unlabelled:
            labellers.append(self.hard.model)
        return self._by_rounds("student", labellers)

    @cached_property
    def bundle(self) -> Path:
        """The directory of the firmware bundle of the distilled student."""
        found = self.distilled
        self._start("int8: convert and recognise")
        if self.steps.result("bundle") is None:
            files = make_bundle(found.model, found.decoder, self.material, self.out)
            self.steps.finish("bundle", True, files)
        return self.out / "bundle"

    def _depends_on(self):
        """Returns what the results depend on beside recordings, recipe and seed."""
        return [self.topology.to_dict()]

    def _feature_layer(self, train):
        recipe = self.recipe
        return feature_layer(train, self.seed, recipe.strings, recipe.features)

    def _aligned(self, train):
        """Returns the features, and the alignments of recordings, if there are any."""
        kept, path = self.steps.result("align"), self.steps.path("alignments.npz")
        heard = self.recipe.labels == "as heard"
        if kept is not None:
            layer = LogMel.from_spec(FeatureSpec.from_dict(kept))
            return layer, None if heard else load_arrays(path)
        layer = self._feature_layer(train)
        alignments = None
        if not heard:
            alignments = align_recordings(train, self.topology, layer, self.seed)
            save_arrays(path, alignments)
        self.steps.finish("align", layer.spec.to_dict(), [] if heard else [path])
        return layer, alignments

    def _aligned_strings(self, features, words):
        """Returns the states of noisy strings."""
        path = self.steps.path("alignments.npz")
        if self.steps.result("align.strings") is not None:
            return load_arrays(path)
        alignments = align_strings(features, words, self.topology, self.seed)
        save_arrays(path, alignments)
        self.steps.finish("align.strings", True, [path])
        return alignments

    def _on_states(self, name: str, banks: Callable[[], list]) -> Trained:
        """Returns a model that is trained on hard labels; `banks` gives the strings."""
        kind = name.partition("_")[0]
        new = teacher.new_teacher if kind == "teacher" else student.new_student

        def learn(model, **options):
            del options["store"]
            teacher.train_on_states(
                model,
                banks(),
                epochs=getattr(self.recipe, f"{kind}_epochs"),
                batch_size=getattr(self.recipe, f"{kind}_batch_size"),
                learning_rate=getattr(self.recipe, f"{kind}_learning_rate"),
                seed=self.seed,
                **options,
            )

        return self._trained(name, new, learn)

    def _by_rounds(self, name: str, labellers: list[keras.Model]) -> Trained:
        for number in range(1, self.recipe.rounds):
            labellers = [self._labeller(f"{name}_round{number}", labellers)]
        return self._trained(name, student.new_student, self._paths_of(labellers))

    def _paths_of(self, labellers: list[keras.Model]) -> Callable:
        """Returns how a student learns the recipe's own targets."""

        def learn(model, **options):
            material = self.material
            if self.split.unlabelled:
                options["transcribed_weight"] = self.recipe.transcribed_weight
            transform = path_targets(
                [self.inference_of(m) for m in labellers],
                material.mixed[0],
                material.untuned,
                self._tuned_to,
            )
            self._distil(
                model,
                labellers,
                material.mixed,
                one_best=True,
                teacher_hears="clean",
                transform=transform,
                paths=hmm.SequenceKL.of_words(material.topology),
                **options,
            )

        return learn

    def _distil(self, model, labellers, banks, store, **options):
        given = labellers, model, banks, self.recipe, self.seed
        student.distil(*given, keep=store, **options)

    def _labeller(self, name, labellers):
        """Returns the student of a round before the last, which labels for the next."""
        self._start(f"{name}: train")
        path = self.steps.path(f"{name}.keras")
        if self.steps.result(name) is not None:
            return keras.saving.load_model(path)
        model = self._new(student.new_student)
        self._fit(name, model, self._paths_of(labellers))
        save_model(model, path)
        self._finish(name, True, [path])
        return model
