"""Reads a firmware bundle, and refuses one that is damaged."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy.device.decoders import DECODERS, Decoder
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork, DeviceRecognizer
from keras_rnn2dnn.hmm.reporting import EARLIER
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.quantization.receptive_field import field_of
from keras_rnn2dnn.util.bundle_checksums import check_files, read_report

_HINT = "Convert the student again"


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle as `convert` wrote it.

    Args:
        directory: where it lies.
        report: `report.json`.
        tflite: `student.tflite`.
        student: the same, loaded into a TensorFlow Lite interpreter.
        network: the network of the C code, or None.
        recognizer: all of the C code from PCM to words, or None.
    """

    directory: Path
    report: dict[str, Any]
    tflite: bytes
    student: Int8Student
    network: DeviceNetwork | None
    recognizer: DeviceRecognizer | None

    @property
    def prefix(self) -> str:
        """Of the names in C; "" where there is none."""
        return self.report["firmware"].get("prefix", "")

    def golden(self, name: str) -> bytes:
        """Returns the content of a file of `golden/`."""
        return (self.directory / "golden" / name).read_bytes()


def load_bundle(directory: str | Path) -> Bundle:
    """Reads a bundle, after its files were compared with their SHA-256 sums.

    Args:
        directory: what `convert` wrote.

    Returns:
        The bundle.

    Raises:
        FileNotFoundError: if there is no report, or one of its files is missing.
        ValueError: if a file was changed, `c/` holds another one, or the report is
            damaged or another program's; names the file.
    """
    directory = Path(directory)
    report = read_report(directory)
    check_files(directory, report["files"])
    try:
        return _built(directory, report)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        path = str(directory / "report.json")
        raise ValueError(f"Cannot use {path!r}: {error!r}. {_HINT}") from error


def decoder_of(fields: Mapping[str, Any]) -> Decoder:
    """Returns the decoder of a report; one of earlier versions reports as they did."""
    fields = dict(fields)
    decoder = DECODERS[fields.pop("kind")].from_dict(fields)
    if "reporting" in fields:
        return decoder
    return dataclasses.replace(decoder, reporting=EARLIER)


def _built(directory, report):
    """Builds the parts which the report describes."""
    kind = report["firmware"]["c"]
    if kind not in ("recognizer", "network", None):
        raise ValueError(f"firmware.c is {kind!r}")
    field = field_of(report["context"])
    tflite = (directory / "student.tflite").read_bytes()
    student = Int8Student.load(tflite, field)
    network = DeviceNetwork.of(tflite, student) if kind else None
    recognizer = None
    if kind == "recognizer":
        decoder = decoder_of(report["decoder"])
        spec = FeatureSpec.from_dict(report["feature_spec"])
        keeps = bool(report["firmware"].get("kept"))
        kept = dataclasses.replace(network, keeps=keeps)
        recognizer = DeviceRecognizer(kept, spec, decoder)
    return Bundle(directory, report, tflite, student, network, recognizer)
