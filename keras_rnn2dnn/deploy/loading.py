"""Reads a firmware bundle, and refuses one that is damaged."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy.c_prefix import prefixed
from keras_rnn2dnn.deploy.c_tables import read_features_header
from keras_rnn2dnn.deploy.device.decoders import DECODERS, Decoder
from keras_rnn2dnn.deploy.device.features import FeatureTables
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
        network: the network of the C code, or None.
        recognizer: all of the C code from PCM to words, or None.
    """

    directory: Path
    report: dict[str, Any]
    tflite: bytes
    network: DeviceNetwork | None
    recognizer: DeviceRecognizer | None

    @functools.cached_property
    def student(self) -> Int8Student:
        """The student in a TensorFlow Lite interpreter, loaded when it is asked for."""
        return Int8Student.load(self.tflite, field_of(self.report["context"]))

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
        raise _unusable(directory, error) from error


@dataclasses.dataclass(frozen=True, eq=False)
class HostParts:
    """What recognises on a host: of a bundle with C code from PCM to words.

    Args:
        directory: where it lies.
        report: `report.json`.
        network: of the C code.
        spec: of the features.
        decoder: what finds words.
        features: the tables of the features, as its C code has them.
    """

    directory: Path
    report: dict[str, Any]
    network: DeviceNetwork
    spec: FeatureSpec
    decoder: Decoder
    features: FeatureTables

    @property
    def prefix(self) -> str:
        """Of the names in C; "" where there is none."""
        return self.report["firmware"].get("prefix", "")


def load_host_parts(directory: str | Path) -> HostParts | None:
    """Reads what recognises on a host, with numpy alone.

    Only what is used is compared with its sums: recordings may be many.

    Args:
        directory: what `convert` wrote.

    Returns:
        The parts; None where the bundle has no C code from PCM to words.

    Raises:
        FileNotFoundError: as of `load_bundle`.
        ValueError: likewise.
    """
    directory = Path(directory)
    report = read_report(directory)
    if report["firmware"]["c"] != "recognizer":
        return None
    check_files(directory, report["files"], ("student.tflite", "c/"))
    try:
        spec, decoder = _spec_and_decoder(report)
        tflite = (directory / "student.tflite").read_bytes()
        network = DeviceNetwork.read(tflite, field_of(report["context"]))
        keeps = bool(report["firmware"].get("kept"))
        network = dataclasses.replace(network, keeps=keeps)
        name = prefixed("features_table.h", report["firmware"].get("prefix", ""))
        header = (directory / "c" / name).read_text("utf-8")
        features = read_features_header(header, spec)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unusable(directory, error) from error
    return HostParts(directory, report, network, spec, decoder, features)


def decoder_of(fields: Mapping[str, Any]) -> Decoder:
    """Returns the decoder of a report; one of earlier versions reports as they did."""
    fields = dict(fields)
    decoder = DECODERS[fields.pop("kind")].from_dict(fields)
    if "reporting" in fields:
        return decoder
    return dataclasses.replace(decoder, reporting=EARLIER)


def _unusable(directory, error):
    path = str(directory / "report.json")
    return ValueError(f"Cannot use {path!r}: {error!r}. {_HINT}")


def _spec_and_decoder(report):
    spec = FeatureSpec.from_dict(report["feature_spec"])
    return spec, decoder_of(report["decoder"])


def _built(directory, report):
    """Builds the parts which the report describes."""
    kind = report["firmware"]["c"]
    if kind not in ("recognizer", "network", None):
        raise ValueError(f"firmware.c is {kind!r}")
    tflite, recognizer = (directory / "student.tflite").read_bytes(), None
    network = DeviceNetwork.read(tflite, field_of(report["context"])) if kind else None
    if kind == "recognizer":
        keeps = bool(report["firmware"].get("kept"))
        kept = dataclasses.replace(network, keeps=keeps)
        recognizer = DeviceRecognizer(kept, *_spec_and_decoder(report))
    return Bundle(directory, report, tflite, network, recognizer)
