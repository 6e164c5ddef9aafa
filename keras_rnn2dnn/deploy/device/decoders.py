"""The decoders that a device runs, and what differs between them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.device.decoder import (
    CtcTables,
    WordLoopTables,
    ctc_tables,
    word_loop_tables,
)
from keras_rnn2dnn.deploy.device.events import Found, Limits
from keras_rnn2dnn.deploy.device.keywords import (
    SpotterTables,
    keywords_of,
    spotter_tables,
)
from keras_rnn2dnn.deploy.device.labels import best_labels
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.util.errors import invalid

Decoder = WordLoopDecoder | GreedyDecoder | KeywordSpotter
Tables = WordLoopTables | CtcTables | SpotterTables
DECODERS = {
    "word-loop": WordLoopDecoder,
    "ctc-greedy": GreedyDecoder,
    "keywords": KeywordSpotter,
}


def labels_of(decoder: Decoder) -> tuple[str, ...]:
    """Returns what may be recognised; of classes all, also what is never reported."""
    if isinstance(decoder, WordLoopDecoder):
        return decoder.topology.words
    return tuple(decoder.labels)


def check_classes(decoder: Decoder, num_classes: int) -> None:
    """Raises ValueError where a decoder has other classes than a student."""
    if isinstance(decoder, WordLoopDecoder):
        given, unit = decoder.topology.num_states, "states"
    else:
        given, unit = len(decoder.labels), "labels"
    if given != num_classes:
        expected = f"a decoder of {num_classes} {unit}, as the student has classes"
        raise ValueError(invalid("decode", expected, f"{given} {unit}"))


def check_of_clips(decode: Any, clip: bool) -> None:
    """Raises ValueError where a decoder of frames meets clips, or one of clips frames.

    Args:
        decode: a decoder, or anything else.
        clip: whether the student gives one posterior for a whole clip.
    """
    if not isinstance(decode, tuple(DECODERS.values())):
        return
    of_clips, received = isinstance(decode, KeywordSpotter), type(decode).__name__
    if clip and not of_clips:
        expected = "a KeywordSpotter, or a function, for a student (batch, classes)"
        hint = "The decoder reads frames, and this student gives one posterior for a "
        hint += "whole clip"
        raise ValueError(invalid("decode", expected, received, hint))
    if of_clips and not clip:
        expected = "a WordLoopDecoder or a GreedyDecoder for a student (batch, frames, "
        expected += "classes)"
        raise ValueError(invalid("decode", expected, received))


def field_in_stream(
    field: ReceptiveField, decoder: Decoder, spec: FeatureSpec
) -> ReceptiveField:
    """Returns the field of a student in a stream.

    Args:
        field: of the student; the clip of an utterance-level one.
        decoder: a spotter moves the clip on by its step, in whole frames.
        spec: of the features.
    """
    if not isinstance(decoder, KeywordSpotter) or not field.is_clip:
        return field
    samples = decoder.step_ms * spec.sample_rate_hz / 1000
    return field.moving(max(1, round(samples / spec.frame_step)))


def decoder_tables(
    decoder: Decoder, scale: float, limits: Limits, field: ReceptiveField
) -> Tables:
    """Rounds a decoder of any kind to the integers of the device.

    Args:
        decoder: without a bigram.
        scale: of the int8 logits.
        limits: of which a word loop needs the history.
        field: of the student in a stream.

    Raises:
        ValueError: as of `word_loop_tables`.
    """
    if isinstance(decoder, KeywordSpotter):
        return spotter_tables(decoder, scale, field)
    if isinstance(decoder, GreedyDecoder):
        return ctc_tables(decoder, scale)
    return word_loop_tables(decoder, scale, limits.history)


def findings(
    tables: Tables, logits: Sequence[np.ndarray], limits: Limits
) -> list[list[Found]]:
    """Returns what a decoder finds in int8 logits `(frames, classes)` of recordings."""
    if isinstance(tables, WordLoopTables):
        return search(tables, logits, limits)
    each = keywords_of if isinstance(tables, SpotterTables) else best_labels
    return [each(tables, z, limits) for z in logits]
