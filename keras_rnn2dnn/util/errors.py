"""The grammar of the library's error messages, and errors for missing extras."""

import contextlib
import importlib
import importlib.util
import numbers
from collections.abc import Iterator
from types import ModuleType

_PACKAGES = {  # of the extras, as `pip install` takes them
    "audio": "soundfile soxr",
    "ctc": "pyctcdecode kenlm",
    "kaldi": "kaldiio",
    "listen": "sounddevice",
    "micro": "tflite-micro",
    "ray": "'ray[data]' 'pyarrow<26'",
    "synth": "espeakng-loader",
    "tfds": "tensorflow-datasets",
    "web": "ziglang",
}
# What the distribution `keras-rnn2dnn-lite` leaves out, with the least versions.
LEFT_OUT = {"tensorflow": "2.17", "keras": "3.12", "jiwer": "4.0"}


def invalid(argument: str, expected: str, received: object, hint: str = "") -> str:
    """Returns an error text: what was wrong, what was expected, what came, what to do.

    Example:
        >>> invalid("stack", "an integer > 0", -1)
        'Invalid value for `stack`. Expected an integer > 0. Received: stack=-1'
    """
    text = f"Invalid value for `{argument}`. Expected {expected}. "
    text += f"Received: {argument}={received!r}"
    return f"{text}. {hint}" if hint else text


def is_integer(value: object) -> bool:
    """Tells whether a value is an integer, numpy's included, and no bool.

    Example:
        >>> is_integer(3), is_integer(np.int64(3)), is_integer(3.0), is_integer(True)
        (True, True, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    r"""Tells whether a value is a string that can be written: without lone surrogates.

    Example:
        >>> is_text("Zürich"), is_text("\ud800"), is_text(3)
        (True, False, False)
    """
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def pip_line(extra: str) -> str:
    """Returns the line that installs what an extra of this package installs.

    It names the packages: so it holds wherever this one itself came from.

    Example:
        >>> pip_line("audio")
        'pip install soundfile soxr'
    """
    return f"pip install {_PACKAGES[extra]}"


def import_extra(module: str, extra: str, purpose: str) -> ModuleType:
    """Imports an optional dependency, or says how to install it.

    Args:
        module: name of the module to import, such as `"espeakng_loader"`.
        extra: the extra of this package that installs it, such as `"synth"`.
        purpose: what needs it, as the start of a sentence.

    Returns:
        The imported module.

    Raises:
        ImportError: if the module is not installed; holds the pip line.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package `{module}`. Install it with: "
            f"{pip_line(extra)}"
        ) from error


@contextlib.contextmanager
def without_tensorflow(what: str) -> Iterator[None]:
    """Says how to install what an import needs, where TensorFlow or Keras are missing.

    Args:
        what: needs it, as the start of a sentence.

    Raises:
        ImportError: in the place of the one that a module of `LEFT_OUT` is missing;
            holds the pip line.

    Example:
        >>> with without_tensorflow("Training"):
        ...     import json
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in LEFT_OUT or importlib.util.find_spec(missing) is not None:
            raise
        packages = " ".join(f"'{name}>={least}'" for name, least in LEFT_OUT.items())
        raise ImportError(
            f"{what} needs `{missing}`, which keras-rnn2dnn-lite leaves out. Install "
            f"it with: pip install {packages}"
        ) from error
