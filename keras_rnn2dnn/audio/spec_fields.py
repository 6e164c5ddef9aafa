"""The fields of a specification as they come from a file: names and kinds of values."""

import dataclasses
import numbers
from typing import Any

import numpy as np

from keras_rnn2dnn.util.errors import invalid


def check_fields(fields: Any, spec: type) -> None:
    """Refuses what a feature specification cannot be built from.

    Args:
        fields: names and values, as JSON gives them.
        spec: the dataclass of the specification.

    Raises:
        ValueError: if it is no mapping, a name is unknown or missing, or a value is of
            another kind; ranges are checked by the class itself.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(spec)}
    if not isinstance(fields, dict):
        expected = "an object of the arguments of FeatureSpec, as `to_dict` gives"
        raise ValueError(invalid("fields", expected, fields))
    wrong = [f"unknown {name!r}" for name in fields if name not in defaults]
    if "sample_rate_hz" not in fields:
        wrong.append("no 'sample_rate_hz'")
    if wrong:
        raise ValueError(
            "Invalid feature specification. Expected `sample_rate_hz`, and of the "
            f"others what is not the default: {', '.join(defaults)}. Received: "
            f"{', '.join(wrong)}"
        )
    for name, value in fields.items():
        _check_kind(name, value, defaults[name])


def _check_kind(name, value, default):
    """Refuses values of another kind, such as numbers in quotation marks."""
    if name in ("mean", "variance"):
        rows = isinstance(value, (list, tuple, np.ndarray))
        if value is not None and not (rows and all(map(_is_number, value))):
            raise ValueError(invalid(name, "a list of numbers, one per bin", value))
    elif name in ("high_hz", "num_cepstra") and value is None:
        return
    elif isinstance(default, bool):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(invalid(name, "true or false", value))
    elif isinstance(default, str):
        if not isinstance(value, str):
            raise ValueError(invalid(name, "a name", value))
    elif not _is_number(value):
        raise ValueError(invalid(name, "a number", value))


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
