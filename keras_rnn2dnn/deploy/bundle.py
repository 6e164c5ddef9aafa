"""The firmware bundle: everything that is written around a converted student."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy import c_prefix, c_tables, golden, tflm
from keras_rnn2dnn.deploy.atomic_directory import check_writable, publish, write_all
from keras_rnn2dnn.deploy.decoder_table import decoder_header
from keras_rnn2dnn.deploy.device import ram
from keras_rnn2dnn.deploy.device.decoder import MOST_NODES, word_loop_tables
from keras_rnn2dnn.deploy.device.decoders import DECODERS, check_classes
from keras_rnn2dnn.deploy.device.features import (
    FeatureTables,
    check_example_norm,
    check_of_stream,
)
from keras_rnn2dnn.deploy.device.images.tables import images_header
from keras_rnn2dnn.deploy.device.layers import UnsupportedStudent
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork, DeviceRecognizer
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.deploy.toolchain import measure_cores
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.util import bundle_checksums as sums
from keras_rnn2dnn.util.errors import invalid

_FIRMWARE = Path(__file__).with_name("firmware")
_NAMES = ("student.tflite", "report.json", "report.md", "Makefile", "CMakeLists.txt")
_NAMES += ("c", "check", "golden", "qemu", "tflm")
_OF_ROWS = {"network.c"}  # of Dense and Conv1D layers
_OF_IMAGES = {"network_images.c", "network_image_kernels.h"}
_OF_WORDS, _OF_KEYWORDS = {"decoder.c"}, {"decoder_keywords.c"}
_NETWORK_ONLY = {"network_kernels.h", "network.h", *_OF_ROWS, *_OF_IMAGES}
_NO_PARTS = (
    "features and decoder: they need a FeatureSpec as `feature_spec` and a "
    "WordLoopDecoder, GreedyDecoder or, of whole clips, KeywordSpotter as `decode`"
)


def check_parts(spec: Any, decode: Any, num_classes: int, recordings: Sequence) -> None:
    """Checks what the C code is to be made of, before any work.

    Args:
        spec: a `FeatureSpec`, or anything else.
        decode: a decoder, or anything else.
        num_classes: of the student.
        recordings: of the golden files.

    Raises:
        ValueError: if the decoder has other classes than the student, or there are
            recordings but no C code to hear them.
    """
    if isinstance(decode, tuple(DECODERS.values())):
        check_classes(decode, num_classes)
    refused = _refused(spec, decode)
    if refused and len(recordings):
        expected = "no recordings, as the C code leaves something out"
        received = f"{len(recordings)} recordings"
        raise ValueError(invalid("recordings", expected, received, refused))


def check_reporting(decode: Any) -> None:
    """Raises ValueError where a decoder reports as earlier bundles did."""
    reporting = getattr(decode, "reporting", None)
    if reporting is not None and reporting.decide_ms is None:
        expected = "a time after which a word is decided on"
        raise ValueError(invalid("reporting.decide_ms", expected, None))


def _refused(spec, decode) -> str | None:
    """Says why there is no C code from PCM to words, if there is none."""
    if not isinstance(spec, FeatureSpec) or not isinstance(
        decode, tuple(DECODERS.values())
    ):
        return _NO_PARTS
    labels = () if isinstance(decode, WordLoopDecoder) else decode.labels
    if len(labels) > MOST_NODES:
        expected = f"at most {MOST_NODES:,} labels, as the C code counts in 16 bits"
        return invalid("decode", expected, f"{len(labels):,} labels")
    try:
        check_of_stream(spec)
        check_example_norm(spec, isinstance(decode, KeywordSpotter))
        if isinstance(decode, WordLoopDecoder):
            word_loop_tables(decode, scale=0.01)  # that of the student comes later
    except ValueError as error:
        return str(error)
    return None


def decoder_dict(decode: Any) -> dict | None:
    """Returns a decoder for the report; None for functions."""
    for kind, type_ in DECODERS.items():
        if isinstance(decode, type_):
            return {"kind": kind, **decode.to_dict()}
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class Firmware:
    """What of a student the C code runs.

    Args:
        network: the network, or None.
        recognizer: all from PCM to words, or None.
        refused: why there is not more, or None.
        arena_bytes: tensor arena of TensorFlow Lite Micro, None where not measured.
        prefix: of the names in C, or "".
        features: tables of the features; None: as the specification gives them.
    """

    network: DeviceNetwork | None
    recognizer: DeviceRecognizer | None
    refused: str | None
    arena_bytes: int | None
    prefix: str = ""
    features: FeatureTables | None = None

    @classmethod
    def of(
        cls,
        tflite: bytes,
        student: Int8Student,
        spec: Any,
        decode: Any,
        prefix: str = "",
        keep_images: bool = False,
    ) -> "Firmware":
        """Finds out what the C code runs; see `convert` for the arguments."""
        arena = tflm.smallest_arena(tflite) if tflm.is_installed() else None
        try:
            network = DeviceNetwork.of(tflite, student)
        except UnsupportedStudent as error:
            return cls(None, None, str(error), arena, prefix)
        refused, recognizer = _refused(spec, decode), None
        if not refused:
            kept = dataclasses.replace(network, keeps=keep_images)
            recognizer = DeviceRecognizer(kept, spec, decode)
        return cls(network, recognizer, refused, arena, prefix)

    def decode(self, utterances: Sequence[np.ndarray]) -> list[list[str]]:
        """Recognises features with network and decoder of the device."""
        logits = [self.network.logits(self.network.quantized(x)) for x in utterances]
        words = self.recognizer.decode(logits)
        return [[word.text for word in utterance] for utterance in words]

    def files(
        self,
        tflite: bytes,
        operators: Sequence[str],
        utterances: Sequence[np.ndarray],
        recordings: Sequence[np.ndarray],
    ) -> dict[str, bytes]:
        """Returns the files of the bundle but for the reports, by path.

        Args:
            tflite: the student.
            operators: names of its operators.
            utterances: features of real utterances, for the golden windows.
            recordings: int16 PCM of real recordings.

        Raises:
            ValueError: if there are recordings, but no C code to hear them.
        """
        if len(recordings) and self.recognizer is None:
            raise ValueError(self.refused)
        files = self.generated(tflite, operators, recordings)
        if self.network is None:
            return files
        return files | golden.network_golden(self.network, utterances)

    def generated(
        self, tflite: bytes, operators: Sequence[str], recordings: Sequence[np.ndarray]
    ) -> dict[str, bytes]:
        """Returns what follows from the student, the report and recordings alone."""
        texts = tflm.tflm_files(tflite, operators, self.arena_bytes)
        files = {f"tflm/{name}": text.encode() for name, text in texts.items()}
        files["student.tflite"] = tflite
        if self.network is not None:
            files |= self._sources() | self._tables()
        files = c_prefix.with_prefix(files, self.prefix)
        if self.recognizer is not None:
            files |= golden.recognizer_golden(self.recognizer, recordings)
        return files

    def c_files(self) -> dict[str, bytes]:
        """Returns the files of `c/` by their paths."""
        return c_prefix.with_prefix(
            {
                path: content
                for path, content in (self._sources() | self._tables()).items()
                if path.startswith("c/")
            },
            self.prefix,
        )

    @property
    def sources(self) -> set[str]:
        """Paths of what depends on the version of the package, not on the student."""
        return {*self._sources(), "c/features_table.h"}

    def _sources(self):
        files = {}
        decoder = getattr(self.recognizer, "decoder", None)
        other = _OF_ROWS if self.network.is_images else _OF_IMAGES
        other = other | (
            _OF_WORDS if isinstance(decoder, KeywordSpotter) else _OF_KEYWORDS
        )
        for path in sorted(p for p in _FIRMWARE.rglob("*") if p.is_file()):
            name = path.relative_to(_FIRMWARE).as_posix()
            is_part = not name.startswith("c/") or path.name in _NETWORK_ONLY
            if path.name not in other and (is_part or self.recognizer is not None):
                files[name] = path.read_bytes()
        return files

    def _tables(self):
        network, recognizer, total = self.network, self.recognizer, None
        tables = {}
        if recognizer is not None:
            network = recognizer.network  # of a clip its window moves on
            total = ram.recognizer_ram(recognizer)["total"]
            tables["c/features_table.h"] = c_tables.features_header(
                recognizer.spec,
                network.input_quantization,
                self.features,
                network.field.window,
            )
            tables["c/decoder_table.h"] = decoder_header(
                recognizer.tables, recognizer.limits, recognizer.decoder.reporting
            )
        given = (
            network.layers,
            network.field,
            network.num_features,
            network.output_quantization,
            total,
        )
        if network.is_images:
            tables["c/model.h"] = images_header(*given, network.moving)
        else:
            tables["c/model.h"] = c_tables.model_header(*given)
        return {name: text.encode() for name, text in tables.items()}

    def summary(self, files: dict[str, bytes]) -> dict[str, Any]:
        """Returns `firmware` of the report; measures where the tools are there."""
        kind = "network" if self.recognizer is None else "recognizer"
        found = {
            "c": None if self.network is None else kind,
            "refused": self.refused,
            "rounding": None if self.network is None else self.network.rounding,
            "ram_bytes": None,
            "tensor_arena_bytes": self.arena_bytes,
            "cores": None,
            "prefix": self.prefix,
        }
        if self.recognizer is not None:
            found["ram_bytes"] = ram.recognizer_ram(self.recognizer)
            if isinstance(self.recognizer.decoder, KeywordSpotter):
                found |= _of_spotter(self.recognizer)
        if self.network is not None:
            with tempfile.TemporaryDirectory() as folder:
                write_all(folder, files)
                network = getattr(self.recognizer, "network", self.network)
                data = golden.counted_input(files, network)
                stride = 1 if network.field.is_clip else network.field.stride
                whole = self.recognizer is not None
                found["cores"] = measure_cores(folder, data, whole, stride)
        return found


def _of_spotter(recognizer):
    """Returns what the report says of a window that moves on."""
    network, frames = recognizer.network, golden.counted_frames(recognizer)
    found = {"step_frames": network.field.stride, "kept": None}
    found["counted"] = {
        "frames": frames,
        "inferences": -(-frames // network.field.stride),
    }
    if network.moving is not None:
        products = network.moving.multiply_accumulates
        found["kept"] = {
            "bytes": network.moving.size,
            "multiply_accumulates": products,
        }
    return found


def check_keeping(recognizer: DeviceRecognizer | None) -> None:
    """Raises ValueError where no images are kept from window to window."""
    network = getattr(recognizer, "network", None)
    if network is not None and network.moving is not None:
        return
    expected = "a KeywordSpotter, and a student whose layers form a row, whose first "
    expected += "stride divides the step, and whose windows have rows in common"
    received = "no window that moves on"
    if network is not None:
        field = network.field
        received = f"a step of {field.stride} frames, a window of {field.window}"
    raise ValueError(invalid("keep_images", expected, received))


def write(
    directory: str | Path, report: ConversionReport, files: dict[str, bytes]
) -> ConversionReport:
    """Writes a bundle in the place of an earlier one, all at once.

    Args:
        directory: made if it is missing. Files that no report lists stay.
        report: without the SHA-256 sums.
        files: contents by path.

    Returns:
        The report with the sums.
    """
    directory = Path(directory)
    files = {**files, "report.md": report.to_markdown().encode()}
    found = {name: sums.sha256(files[name]) for name in sorted(files)}
    if "Makefile" in files:
        files[sums.SUMS] = sums.sums_file(found)
        found[sums.SUMS] = sums.sha256(files[sums.SUMS])
    report = dataclasses.replace(report, files=found)
    text = json.dumps(report.to_dict(), indent=2) + "\n"
    files["report.json"] = text.encode()
    publish(directory, files, _stale(directory, files))
    return report


def check_directory(directory: str | Path) -> None:
    """Checks that a bundle may be written here.

    Args:
        directory: of the bundle.

    Raises:
        ValueError: if it is no directory, or holds files that a bundle would overwrite
            and that are not those of an earlier one.
        OSError: if it cannot be written to.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(invalid("directory", "a directory, or none", str(directory)))
    if _listed(directory) is None:
        taken = [name for name in _NAMES if (directory / name).exists()]
        if taken:
            expected = "a new directory, or one of an earlier bundle"
            hint = f"It holds files of other origin: {', '.join(taken)}"
            raise ValueError(invalid("directory", expected, str(directory), hint))
    check_writable(directory)


def _listed(directory):
    """Returns the SHA-256 of an earlier bundle's files; None where there is none."""
    try:
        report = json.loads((directory / "report.json").read_text())
        if "keras_rnn2dnn" not in report["versions"]:
            return None
        return dict(report.get("files") or {})
    except (OSError, ValueError, KeyError, TypeError):  # none, or another program's
        return None


def _stale(directory, files):
    """Lists unchanged files of an earlier bundle that the new one does not have."""
    stale = []
    for name, expected in (_listed(directory) or {}).items():
        path = directory / name
        inside = path.resolve().is_relative_to(directory.resolve())
        if name in files or not inside or not path.is_file():
            continue
        if sums.sha256(path.read_bytes()) == expected:
            stale.append(path)
    return stale
