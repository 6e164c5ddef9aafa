"""What a conversion did: sizes, context, operators, and what int8 costs."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_rnn2dnn.util import bundle_checksums as sums


@dataclass(frozen=True)
class ConversionReport:
    """Everything measured in a conversion; printed, it is a table.

    Attributes:
        tflite: name of the TensorFlow Lite file in the directory.
        bytes: its size.
        sha256: its SHA-256, in hexadecimal.
        parameters: parameters of the student.
        multiply_accumulates: multiply-accumulate operations of the dense and
            convolution layers per output frame, as each frame's whole window is
            computed anew.
        context: `left`, `right`, `window` and `stride`, in input frames; `clip`, true,
            where the window is a whole clip, which gives one output.
        latency_frames: input frames that the output is late by, the right context.
        latency_ms: the same in milliseconds.
        operators: operators of the file, sorted, each once.
        quantization: for `input` and `output`: `dtype`, `"int8"` or `"int16"`, `scale`
            and `zero_point`, where value = scale * (integer - zero_point).
        calibration: `utterances` and `windows` that set the ranges, and `ranges`:
            `"minmax"`, `"percentile"`, `"mse"`, or `"student"` for a student that
            brought them.
        comparison: of float and int8 (or int16) on the utterances held back:
            `utterances`, `frames`, `kl` (mean KL(softmax(float) || softmax(int8)) in
            nats), `agreement` (share of frames with the same best class),
            `max_abs_logit_difference`, `wer_float` and `wer_int8` (None if not asked),
            `wer_device` (network and decoder in the arithmetic of the C code). Float is
            the student as given: one that is `quantization_aware` rounds too. `kept`:
            the same of the utterances that `golden/` keeps, so that it can be verified.
        recordings: of the `count` recordings: `feature_shift` and `feature_spread`
            against the calibration (see `recordings.compare_features`), and from PCM on
            in the arithmetic of the C code `wer`, `errors` and `words` (None without
            transcripts). None where there are none.
        feature_spec: how the features were made, or None.
        versions: of the packages and of Python.
        decoder: `kind` (`"word-loop"`, `"ctc-greedy"` or `"keywords"`) and what it was
            made of, or None.
        firmware: of the bundle: `c` (`"recognizer"`, `"network"`, or None where the C
            code does not run the student), `refused` (why not more), `rounding`,
            `ram_bytes` by part, `tensor_arena_bytes` (of TensorFlow Lite Micro),
            `cores` (flash, stack and instructions per frame, or clip, by core), and
            `prefix` (of the names in C). None for what was not measured. Of a keyword
            spotter `step_frames`, by which its window moves on, and `kept`: `bytes` of
            images that are kept from window to window, and `multiply_accumulates` that
            are left in an inference; or None.
        files: SHA-256 of every other file of the bundle, by path.
        left_out: part of the student that the file leaves out, such as a softmax at
            its end; or None.
        missing_c: which C code was asked for and cannot be, and why; or None.
        format: of report.json; earlier versions state none.
    """

    tflite: str
    bytes: int
    sha256: str
    parameters: int
    multiply_accumulates: int
    context: dict[str, int]
    latency_frames: int
    latency_ms: float
    operators: tuple[str, ...]
    quantization: dict[str, dict[str, Any]]
    calibration: dict[str, Any]
    comparison: dict[str, Any]
    feature_spec: dict[str, Any] | None
    versions: dict[str, str]
    recordings: dict[str, Any] | None = None
    decoder: dict[str, Any] | None = None
    firmware: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    left_out: str | None = None
    missing_c: str | None = None
    format: int = sums.FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain numbers, strings, lists and dicts, for JSON.

        The last of them is `sum`, the SHA-256 of all the others.
        """
        plain = json.loads(json.dumps(dataclasses.asdict(self), default=_plain))
        return {**plain, "sum": sums.report_sum(plain)}

    @classmethod
    def from_dict(cls, report: dict[str, Any]) -> "ConversionReport":
        """Returns the report of `to_dict`."""
        return cls(**{name: report[name] for name in report if name != "sum"})

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The lines of the table: name and value."""
        compared = self.comparison
        output, unit = "output frame", "frames"
        if self.context.get("clip"):
            output, unit = "clip", "clips"
        integer = self.quantization["output"]["dtype"]
        scales = {k: f"{v['scale']:.6g}" for k, v in self.quantization.items()}
        rows = [
            ("file", f"{self.tflite}, {self.bytes:,} bytes"),
            ("SHA-256", self.sha256),
            *([("not in the file", self.left_out)] if self.left_out else []),
            ("parameters", f"{self.parameters:,}"),
            ("multiply-accumulates", f"{self.multiply_accumulates:,} per {output}"),
            *self._context_rows(),
            ("operators", " ".join(self.operators)),
            ("scales", f"input {scales['input']}, output {scales['output']}"),
            (
                "calibrated on",
                f"{self.calibration['windows']:,} windows of "
                f"{self.calibration['utterances']:,} utterances, ranges "
                f"{self.calibration['ranges']}",
            ),
            (
                "compared on",
                f"{compared['frames']:,} {unit} of "
                f"{compared['utterances']:,} utterances held back",
            ),
            (f"KL(float || {integer})", f"{compared['kl']:.6f} nats"),
            ("same best class", f"{compared['agreement']:.2%} of {unit}"),
            ("largest difference", f"{compared['max_abs_logit_difference']:.4g}"),
        ]
        if compared["wer_float"] is not None:
            wer = f"{compared['wer_float']:.2%}, {integer} {compared['wer_int8']:.2%}"
            if compared.get("wer_device") is not None:
                wer += f", device arithmetic {compared['wer_device']:.2%}"
            rows.append(("word error rate", f"float {wer}"))
        rows += _recording_rows(self.recordings)
        step = self.firmware.get("step_frames")
        unit = "frame" if step else output.split()[-1]
        rows += _firmware_rows(self.firmware, unit)
        return rows + self._spotting_rows(step) if step else rows

    def _context_rows(self):
        context = self.context
        if context.get("clip"):
            step = self.firmware.get("step_frames")
            moving = f", which moves on by {step}" if step else ""
            return [("context", f"a whole clip of {context['window']} frames{moving}")]
        around = f"{context['left']} + 1 + {context['right']} = {context['window']}"
        return [
            ("context", f"{around} frames, stride {context['stride']}"),
            ("latency", f"{self.latency_frames} frames, {self.latency_ms:g} ms"),
        ]

    def _spotting_rows(self, step):
        """What a keyword spotter costs: the network in each window."""
        frame_ms = self.feature_spec["frame_step_ms"]
        rows = []
        if kept := self.firmware["kept"]:
            left = f"{kept['multiply_accumulates']:,} of {self.multiply_accumulates:,}"
            text = f"{kept['bytes']:,} bytes of images, {left} products per inference"
            rows.append(("kept between windows", text))
        counted = self.firmware["counted"]
        for core, costs in (self.firmware["cores"] or {}).items():
            each = costs["instructions_per_frame"]
            network = each["network"] * counted["frames"] / counted["inferences"]
            text = f"{round(network):,} instructions per inference, one every "
            text += f"{step * frame_ms:g} ms: with all else "
            other = each["total"] - each["network"]
            million = (network / step + other) / frame_ms / 1000
            rows.append(
                (f"{core} in a stream", f"{text}{million:.1f} million a second")
            )
        return rows

    def __str__(self) -> str:
        rows = self.rows
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def to_markdown(self) -> str:
        """Returns the report as `report.md`."""
        rows = "".join(f"| {name} | {value} |\n" for name, value in self.rows)
        return _MARKDOWN.format(rows=rows.replace("||", "\\|\\|"))


_CONTENTS = {
    "recognizer": "from PCM to words",
    "network": "the network alone",
    None: "nothing",
}
_MARKDOWN = """# What this bundle is, and what it costs

|   |   |
| - | - |
{rows}
Instructions are counted in QEMU, which has no model of cycles: they are no times.
Arithmetic: int8 products summed in 32 bits and rounded as TensorFlow Lite Micro does,
twice ("double"), unless the C code is built with NETWORK_SINGLE_ROUNDING. Features are
float32, one rounding for each operation. `rnn2dnn verify` on this directory proves that
Python, C on the host and emulated cores give the same bits; `make check` compares
one build with `golden/`. SHA-256 sums of all files are in report.json.
"""


def _recording_rows(recordings):
    if not recordings:
        return []
    count, wer = recordings["count"], recordings["wer"]
    text = (
        f"{count:,}; features {recordings['feature_shift']:.2f} standard deviations "
        f"from the calibration, spread {recordings['feature_spread']:.2f} of it"
    )
    rows = [("recordings", text)]
    if wer is not None:
        errors = f"{recordings['errors']:,}/{recordings['words']:,}"
        text = f"device arithmetic {wer:.2%} ({errors}) of {count:,} recordings"
        rows.append(("word error rate from PCM", text))
    return rows


def _firmware_rows(firmware, output):
    if not firmware:
        return []
    rows = [("C code", _CONTENTS[firmware["c"]])]
    if firmware["refused"]:
        rows.append(("left out", firmware["refused"]))
    if firmware["ram_bytes"]:
        parts = firmware["ram_bytes"]
        listed = ", ".join(f"{k} {v:,}" for k, v in parts.items() if k != "total")
        rows.append(("RAM", f"{parts['total']:,} bytes ({listed})"))
    arena = firmware["tensor_arena_bytes"]
    if arena:
        rows.append(("TFLM tensor arena", f"{arena:,} bytes at most"))
    for core, costs in (firmware["cores"] or {}).items():
        counted = ", ".join(
            f"{k} {v:,}" for k, v in costs["instructions_per_frame"].items()
        )
        rows.append(
            (
                core,
                f"{costs['flash_bytes']:,} bytes flash, {costs['stack_bytes']} bytes "
                f"stack, instructions per {output}: {counted}",
            )
        )
    if firmware["c"] and not firmware["cores"]:
        rows.append(("cores", "not measured: a tool is missing, or the build failed"))
    return rows


def _plain(value):
    """Turns numpy's scalars and arrays into JSON's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not go into a JSON report: {value!r}")
