"""Speech of tensorflow-datasets; needs the extra `tfds`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.sample_checks import check_count, check_scale
from keras_rnn2dnn.util.errors import import_extra, invalid

_AUDIO = ("audio", "voice")
_TEXTS = ("text", "sentence", "label")
_SPEAKERS = ("speaker_id", "speaker", "client_id")


def tfds_recordings(
    dataset: Any,
    split: str = "train",
    sample_rate_hz: int | None = None,
    **options: Any,
) -> Iterator[Recording]:
    """Reads speech that tensorflow-datasets has prepared; nothing is downloaded.

    Args:
        dataset: a name such as `"librispeech"` or `"speech_commands"`, or a builder.
        split: such as `"train"` or `"test[:10%]"`.
        sample_rate_hz: wanted; by default that of the data set.
        **options: of `tfds.builder`, such as `data_dir`.

    Yields:
        The recordings; their words are the text, or the name of the class label.

    Raises:
        ImportError: if tensorflow-datasets is missing; holds the pip line.
        ValueError: if the data set has no audio, or does not tell its sample rate.
    """
    builder = dataset
    if isinstance(dataset, str):
        tfds = import_extra("tensorflow_datasets", "tfds", "Reading a data set by name")
        builder = tfds.builder(dataset, **options)
    features = builder.info.features
    key = next((name for name in _AUDIO if name in features), None)
    rate = getattr(features[key], "sample_rate", None) if key else None
    if rate is None:
        expected = f"a data set with one of {_AUDIO} that tells its sample rate"
        raise ValueError(invalid("dataset", expected, builder.info.name))
    if sample_rate_hz is not None:
        check_count("sample_rate_hz", sample_rate_hz, 1)
    wanted = sample_rate_hz or rate
    examples = builder.as_dataset(split=split).as_numpy_iterator()
    for number, example in enumerate(examples):
        yield Recording(
            _changed(example[key], rate, wanted),
            wanted,
            tuple(_first(example, features, _TEXTS).split()),
            _first(example, features, _SPEAKERS),
            number,
        )


def _changed(samples, rate, wanted):
    samples = np.asarray(samples)
    if samples.dtype.kind in "iu":  # 16 bits, in whatever type
        samples = samples.astype("float32") / 32768
    if samples.ndim > 1:
        samples = samples.mean(axis=-1)
    samples = np.ascontiguousarray(samples, "float32")
    check_scale("dataset", samples)
    if rate == wanted:
        return samples
    soxr = import_extra("soxr", "audio", "Changing the sample rate of audio")
    return soxr.resample(samples, rate, wanted, "HQ")


def _first(example, features, names):
    """Returns the first of these fields as text; empty where there is none."""
    for name in names:
        if name in example:
            value = example[name]
            if hasattr(features[name], "int2str") and not isinstance(value, bytes):
                return features[name].int2str(int(value))
            return value.decode() if isinstance(value, bytes) else str(value)
    return ""
