"""`rnn2dnn align`: the teacher's soft alignments, on disk."""

import argparse
import contextlib
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments import (
    SoftAlignments,
    by_transcript,
    chained,
    match_priors,
)
from keras_rnn2dnn.alignments.options import AlignOptions
from keras_rnn2dnn.alignments.shards.manifest import Manifest
from keras_rnn2dnn.alignments.utterances import utterances_of
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.hmm import WordLoopDecoder, constrained, decoded
from keras_rnn2dnn.kaldi import KaldiDirectory, store_posteriors
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.progress import RateProgress

_MATCHED_UTTERANCES = 300  # at least, where there are as many
_TRANSCRIBED_WEIGHT = 0.3  # beside utterances without transcripts: docs/results_0_1.md


def run(options: argparse.Namespace) -> None:
    """Writes a store, or checks or merges stores."""
    if options.verify:
        _verify(options.paths)
        return
    if options.out is None:
        raise ValueError("No store to write to. Expected --out STORE")
    if options.merge:
        say(_summary(SoftAlignments.merge(options.out, options.paths)))
        return
    if len(options.paths) < 2:
        expected = "TEACHER.keras and DATA"
        raise ValueError(invalid("paths", expected, options.paths))
    *teachers, data = options.paths
    if Path(teachers[0]).suffix in (".ark", ".scp"):
        for name in ("decoder", "transcribed_weight"):
            if getattr(options, name) is not None:
                option = f"--{name.replace('_', '-')}"
                expected = "none with an archive of posteriors"
                raise ValueError(invalid(option, expected, getattr(options, name)))
        if len(teachers) > 1:
            expected = "one archive of posteriors, or teachers"
            raise ValueError(invalid("TEACHER", expected, teachers))
        store = _keep_posteriors(options, teachers[0], KaldiDirectory(data))
    else:
        spec = inputs.feature_spec(options.features) if options.features else None
        alike = tuple(options.normalisation)
        source = FeatureSource(data, spec, options.strict, alike)
        store = _write(options, [load_model(path) for path in teachers], source)
    say(_summary(store) if store else f"Part {options.shard} is written: {options.out}")


def _write(options, teachers, source):
    transform, weight = None, options.transcribed_weight or 1.0
    if options.decoder:
        decoder = inputs.decoder(options.decoder)
        if not isinstance(decoder, WordLoopDecoder):
            expected = "a decoder of words with states, not of CTC"
            raise ValueError(invalid("--decoder", expected, options.decoder))
        unlabelled = _unlabelled(source, decoder)
        transform = _transform(options, decoder, teachers, unlabelled)
        if unlabelled and options.transcribed_weight is None:
            weight = _TRANSCRIBED_WEIGHT
    with _progress(options, len(source)) as arguments:
        return SoftAlignments.write(
            options.out,
            teachers,
            _weighted(source.batches(), weight),
            transform=transform,
            teacher_from_logits=not options.probabilities,
            feature_spec=source.feature_spec(),
            **arguments,
        )


def _unlabelled(source, decoder=None):
    """Returns utterances without transcripts, from all parts of the source.

    Raises ValueError where the decoder cannot know the words of the others.
    """
    kept, number, step, spoken = [], 0, 1, []
    for utterance in utterances_of(source.batches()):
        if utterance.transcript is not None:
            spoken.append(utterance.transcript)
        if utterance.transcript is not None or not len(utterance.student):
            continue
        if number % step == 0:
            kept.append(utterance)
        number += 1
        if len(kept) == 2 * _MATCHED_UTTERANCES:
            kept, step = kept[::2], 2 * step
    check_vocabulary(spoken, decoder, "transcripts")
    return kept


def _weighted(batches, weight):
    """Yields batches of one utterance, those with a transcript of this weight."""
    for x, y in batches:
        if weight != 1 and "transcripts" in y:
            yield x, y, np.full(len(x), weight, "float32")
        else:
            yield x, y


def _transform(options, decoder, teachers, unlabelled):
    """Returns what is made of the posteriors, by the decoder's states and priors."""
    path, priors = options.one_best, {}
    if decoder.log_priors is not None and decoder.prior_scale:
        priors = {"log_priors": decoder.log_priors, "prior_scale": decoder.prior_scale}
    known = constrained(
        decoder.topology, self_loop=decoder.self_loop, path=path, **priors
    )
    if not unlabelled:
        return known
    if decoder.log_priors is None:
        expected = "a decoder with priors, as there are utterances without transcripts"
        raise ValueError(invalid("--decoder", expected, options.decoder))
    align = AlignOptions(
        teacher_from_logits=not options.probabilities, temperature=options.temperature
    )
    outputs = [u.soft for u in align.teacher_pass(teachers, None)(unlabelled, False)]
    silence = decoder.topology.silence_state
    free = [] if silence is None else [silence]
    matched = match_priors(outputs, decoder.log_priors, free)
    return by_transcript(
        known, chained(matched, decoded(decoder, path, decoder.prior_scale))
    )


def _keep_posteriors(options, path, directory):
    with _progress(options, len(directory)) as arguments:
        return store_posteriors(
            options.out,
            path,
            directory,
            from_logits=not options.probabilities,
            **arguments,
        )


@contextlib.contextmanager
def _progress(options, number):
    """Yields arguments of `SoftAlignments.write`, one of which tells how far it is."""
    size = options.utterances_per_shard
    starts = range(size * options.shard[0], number, size * options.shard[1])
    number = sum(min(size, number - start) for start in starts)
    progress = RateProgress(number, "utterances", done=_already_written(options.out))
    try:
        yield {
            "top_k": options.top_k,
            "temperature": options.temperature,
            "one_best": options.one_best,
            "part": options.shard,
            "feature_dtype": "float16" if options.float16 else "float32",
            "utterances_per_shard": size,
            "on_shard": lambda shard: progress.add(shard.utterances, shard.frames),
        }
    finally:
        progress.finish()


def _already_written(path):
    try:
        return sum(shard.utterances for shard in Manifest.load(Path(path)).shards)
    except FileNotFoundError:
        return 0


def _verify(paths):
    if not paths:
        raise ValueError("No store to check. Expected --verify STORE")
    for path in paths:
        store = SoftAlignments(path)
        store.verify()
        say(f"{path}: whole. {_summary(store)}")


def _summary(store):
    kept = "all classes" if store.top_k is None else f"the best {store.top_k}"
    share = f"{100 * store.kept_mass:.2f} % of the probability"
    return (
        f"{store.num_utterances} utterances, {store.num_frames} frames; {kept} of "
        f"{store.num_classes} classes: {share}, "
        f"{store.target_bytes_per_frame:.0f} bytes a frame; {store.nbytes:,} bytes"
    )
