"""The threshold of a bundle: chosen on recordings, and written into it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnn2dnn.deploy import bundle as bundles
from keras_rnn2dnn.deploy import golden, held_back
from keras_rnn2dnn.deploy.bundle import Firmware, decoder_dict
from keras_rnn2dnn.deploy.device.events import words_of
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer
from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.deploy.recordings import word_errors
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.scoring.thresholds import ThresholdPoint, threshold_curve
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid


def measured_curve(
    recognizer: DeviceRecognizer,
    other: Sequence[np.ndarray],
    spoken: Sequence[np.ndarray] = (),
    references: Sequence[Sequence[str]] = (),
) -> list[ThresholdPoint]:
    """Counts false and missed words at thresholds, in the arithmetic of the device.

    Args:
        recognizer: of a bundle.
        other: int16 recordings in which none of the words is said.
        spoken: int16 recordings of words.
        references: the words of each; those that are never reported do not count.

    Returns:
        Points of rising thresholds; see `scoring.thresholds.threshold_curve`. What is
        missed are deletions and substitutions.

    Raises:
        ValueError: if there is no other speech, or no word that is reported.
    """
    samples = sum(map(len, other))
    if not samples:
        raise ValueError(invalid("other", "recordings", "none"))
    reporting = recognizer.decoder.reporting
    reported = set(getattr(recognizer.decoder, "keywords", recognizer.words))
    if reporting.keywords is not None:
        reported = set(reporting.keywords)
    references = [[w for w in words if w in reported] for words in references]
    if len(spoken) and not any(references):
        expected = f"words that are reported, such as {min(reported)!r}"
        raise ValueError(invalid("references", expected, "none of them"))
    found = [recognizer.found([recognizer.logits(pcm)])[0] for pcm in other]
    heard = [recognizer.found([recognizer.logits(pcm)])[0] for pcm in spoken]
    hours = samples / recognizer.spec.sample_rate_hz / 3600

    def words_at(threshold, recordings):
        limited = with_threshold(recognizer, threshold)
        return [words_of(limited.reported(one)) for one in recordings]

    def measure(threshold):
        false = sum(map(len, words_at(threshold, found)))
        missed = _missed(references, words_at(threshold, heard)) if spoken else None
        return false / hours, missed

    every = with_reporting(recognizer, threshold=None, suppress_ms=0.0)
    events = [words_of(every.reported(one)) for one in found]
    none = [word.confidence for words in events for word in words]
    return threshold_curve(none, measure)


def with_threshold(
    recognizer: DeviceRecognizer, threshold: float | None
) -> DeviceRecognizer:
    """Returns a recognizer that reports words of this confidence or more."""
    return with_reporting(recognizer, threshold=threshold)


def with_reporting(recognizer: DeviceRecognizer, **changed: Any) -> DeviceRecognizer:
    """Returns a recognizer that reports otherwise; see `Reporting`."""
    reporting = dataclasses.replace(recognizer.decoder.reporting, **changed)
    decoder = dataclasses.replace(recognizer.decoder, reporting=reporting)
    return dataclasses.replace(recognizer, decoder=decoder)


def write_threshold(directory: str | Path, threshold: float | None) -> ConversionReport:
    """Writes a threshold into a bundle: its C constant, golden files, report and sums.

    Args:
        directory: of the bundle.
        threshold: least confidence of a word that is reported, in nats; None: all are.

    Returns:
        The report, whose word error rates are those of the device with the threshold.

    Raises:
        FileNotFoundError: if there is no bundle, or one of its files is missing.
        ValueError: if it is damaged, of an earlier version, or its C code does not go
            from PCM to words.
    """
    bundle = load_bundle(directory)
    check_tunable(bundle.recognizer)
    recognizer, report = with_threshold(bundle.recognizer, threshold), bundle.report
    parts = report["firmware"]
    arena = parts["tensor_arena_bytes"]
    firmware = Firmware(bundle.network, recognizer, None, arena, bundle.prefix)
    kept = {name for name in report["files"] if name.startswith("golden/")}
    files = {name: (bundle.directory / name).read_bytes() for name in kept}
    recordings = []
    if "golden/test_set.pcm" in files:
        recordings = golden.read_pcm(files["golden/test_set.pcm"])
    generated = firmware.generated(bundle.tflite, report["operators"], recordings)
    files = {**files, **generated}
    changed = {"decoder": decoder_dict(recognizer.decoder)}
    if held_back.REFERENCES in files:
        features, _ = held_back.read(files, bundle.student)
        spoken = files[held_back.REFERENCES].decode().splitlines()
        rate = word_error_rate(spoken, firmware.decode(features))
        changed["comparison"] = {**report["comparison"], "wer_device": rate.wer}
    if held_back.SPOKEN in files:
        numbers = golden.read_words(files["golden/test_set.u32"])
        texts = [[recognizer.words[k] for k in words] for words in numbers]
        spoken = files[held_back.SPOKEN].decode().splitlines()
        changed["recordings"] = report["recordings"] | word_errors(spoken, texts)
    files.pop(bundles.sums.SUMS, None)
    told = ConversionReport.from_dict(report)
    return bundles.write(directory, dataclasses.replace(told, **changed), files)


def check_tunable(recognizer: DeviceRecognizer | None) -> None:
    """Raises ValueError where a bundle has no words to which a threshold applies."""
    earlier = recognizer and recognizer.decoder.reporting.decide_ms is None
    if recognizer is None or earlier:
        received = "one of an earlier version" if earlier else "one without words"
        expected = "a bundle whose C code goes from PCM to words"
        raise ValueError(invalid("bundle", expected, received, "Convert again"))


def _missed(references, words):
    texts = [[word.text for word in one] for one in words]
    score = word_error_rate(references, texts, num_resamples=1)
    return (score.substitutions + score.deletions) / score.words
