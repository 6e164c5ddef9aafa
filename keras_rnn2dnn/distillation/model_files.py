"""Loading models that others may have damaged, or made to harm."""

import zipfile
from pathlib import Path

import keras

from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.util.zip_files import check_zip

_NEEDED = ("config.json", "metadata.json")
_OF_CONTENT = (  # whatever a configuration that does not fit leads to
    *(ValueError, TypeError, KeyError, AttributeError, IndexError),
    *(OSError, RuntimeError, NotImplementedError, ImportError),
)


def load_model(path: str | Path) -> keras.Model:
    """Loads a `.keras` file, compared with its checksums before; not compiled.

    Args:
        path: of the file.

    Returns:
        The model; of a saved Distiller its student.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no `.keras` file, is damaged, or cannot be used; names it.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(2)]
        >>> keras.Sequential(layers).save("a.keras")
        >>> load_model("a.keras").input_shape
        (None, 4)
    """
    path, name = Path(path), str(path)
    if not path.exists():
        raise FileNotFoundError(f"No file {name!r}. Expected a model saved as .keras")
    _check_kind(path)
    check_zip(path, _NEEDED)
    try:
        model = keras.saving.load_model(path, compile=False)
    except _OF_CONTENT as error:
        said = error if isinstance(error, ValueError) else repr(error)
        raise ValueError(f"Cannot use {name!r}: {said}") from error
    return model.student if isinstance(model, Distiller) else model


def _check_kind(path):
    """Refuses what Keras would call "not found"."""
    received = None
    if path.is_dir():
        received = "a directory"
    elif not zipfile.is_zipfile(path):
        received = "another format, or a damaged file"
    elif path.suffix != ".keras":
        received = f"the ending {path.suffix!r}: rename it"
    if received:
        raise ValueError(
            f"Cannot use {str(path)!r}. Expected a model saved as .keras, as "
            f'`model.save("student.keras")` does. Received: {received}'
        )
