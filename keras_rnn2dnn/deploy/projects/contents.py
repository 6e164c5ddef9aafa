"""What of a bundle goes into a project: its sources, and values of the templates."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.c_prefix import prefixed, prefixed_code
from keras_rnn2dnn.deploy.device.decoders import Decoder, labels_of
from keras_rnn2dnn.deploy.loading import decoder_of
from keras_rnn2dnn.deploy.projects.golden_array import chosen_recordings, golden_source
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.util.bundle_checksums import check_files, read_report, report_sum

TEMPLATES = Path(__file__).with_name("templates")
_CORE = TEMPLATES / "core"
_NAME = re.compile(r"@(\w+)@")
_FILES = re.compile(r"^(.*)@(sources|core)@\n", re.MULTILINE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_AGAIN = "Convert the student again"


@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
    """What a project is made of.

    Args:
        sources: the C files of the bundle, as they are, by name.
        core: the C files that all examples share, and the golden recordings, by name.
        values: of the names between `@` in the templates.
    """

    sources: dict[str, bytes]
    core: dict[str, bytes]
    values: dict[str, str]

    @classmethod
    def of(cls, bundle: str | Path) -> "Contents":
        """Reads a bundle, after its files were compared with their SHA-256 sums.

        Args:
            bundle: its directory.

        Raises:
            FileNotFoundError: if there is no bundle, or one of its files is missing.
            ValueError: if a file was changed, or the bundle has no C code from PCM to
                words, or that of an earlier version.
        """
        bundle = Path(bundle)
        report = read_report(bundle)
        check_files(bundle, report["files"])
        _check_report(bundle, report)
        names = [name for name in sorted(report["files"]) if name.startswith("c/")]
        sources = {name[2:]: (bundle / name).read_bytes() for name in names}
        prefix = report["firmware"].get("prefix", "")
        texts = {path.name: path.read_text() for path in sorted(_CORE.iterdir())}
        core = {
            name: prefixed_code(text, prefix, {"recognizer.h"}).encode()
            for name, text in texts.items()
        }
        pcm, words = (
            (bundle / "golden" / name).read_bytes()
            for name in ("recordings.pcm", "words.u32")
        )
        source = golden_source(chosen_recordings(pcm, words))
        core["listen_golden.c"] = source.encode()
        return cls(sources, core, _values(report, prefix))

    def filled(self, template: str) -> str:
        """Returns a template with the values of its names.

        A line that ends in `@sources@` or `@core@` stands for a line for each C file.
        """

        def lines(match):
            names = self.sources if match[2] == "sources" else self.core
            every = (f"{match[1]}{name}\n" for name in sorted(names))
            return "".join(line for line in every if line.endswith(".c\n"))

        text = _FILES.sub(lines, template)
        return _NAME.sub(lambda match: self.values.get(match[1], match[0]), text)


def _check_report(bundle, report):
    """Checks that a bundle has C code from PCM to words, as the example calls it."""
    kind = report["firmware"]["c"]
    if kind != "recognizer":
        has = "the network alone" if kind == "network" else "no C code"
        refused = report["firmware"].get("refused")
        reason = report.get("missing_c") or (refused and f"Left out: {refused}")
        raise ValueError(
            f"No project can be made of {str(bundle)!r}. Expected a bundle with C code "
            f"from PCM to words. Received: one with {has}. {reason or _AGAIN}"
        )
    reporting = (report.get("decoder") or {}).get("reporting") or {}
    if reporting.get("decide_ms") is None:
        raise ValueError(
            f"No project can be made of {str(bundle)!r}. Expected a bundle that "
            f"reports confidences. Received: one of an earlier version. {_AGAIN}"
        )


def _values(report: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Returns what stands between `@` in the templates."""
    name = prefixed("recognizer", prefix)
    found = _VERSION.match(report["versions"]["keras_rnn2dnn"])
    library = f"rnn2dnn_{name}"
    return {
        "name": name,
        "NAME": name.upper(),
        "library": library,
        "LIBRARY": library.upper(),
        "version": found[0] if found else "0.0.0",
        "identity": f"bundle {report_sum(report)[:12]}",
        "count": str(_num_words(decoder_of(report["decoder"]))),
        "rate": str(report["feature_spec"]["sample_rate_hz"]),
        "ram": str(report["firmware"]["ram_bytes"]["total"]),
    }


def _num_words(decoder: Decoder) -> int:
    """Returns how many words a decoder can report."""
    if decoder.reporting.keywords is not None:
        return len(decoder.reporting.keywords)
    words = len(labels_of(decoder))
    if isinstance(decoder, KeywordSpotter):
        return words - len(decoder.none)
    return words - isinstance(decoder, GreedyDecoder)  # the blank
