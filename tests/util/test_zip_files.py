import zipfile

import keras
import numpy as np
import pytest

from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.util.files import Audio, Utterances
from keras_rnn2dnn.util.zip_files import check_zip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.keras"
    keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(3)]).save(path)
    return path.read_bytes()


def test_one_changed_byte_of_a_model_is_named_or_no_change(saved, tmp_path):
    """At 150 places, half of them in the directory of the archive."""
    path, rng = tmp_path / "m.keras", np.random.default_rng(0)
    end = len(saved) - 400
    places = [*rng.integers(len(saved), size=75), *rng.integers(end, len(saved), 75)]
    refused = 0
    for place in places:
        content = bytearray(saved)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            check_zip(path, ("config.json", "metadata.json"))
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"{str(path)!r} is damaged: ")
            assert "\n" not in str(error)
    assert refused > 75


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_damaged_model_is_one_line_that_names_it(saved, tmp_path, cut):
    path = tmp_path / "m.keras"
    path.write_bytes(saved[:cut])
    with pytest.raises(ValueError) as error:
        load_model(path)
    assert str(error.value) == (
        f"Cannot use {str(path)!r}. Expected a model saved as .keras, as "
        '`model.save("student.keras")` does. Received: another format, or a damaged '
        "file"
    )


def test_what_is_no_model_is_told(saved, tmp_path):
    path = tmp_path / "m.bin"
    path.write_bytes(saved)
    with pytest.raises(ValueError) as error:
        load_model(path)
    assert str(error.value).endswith("Received: the ending '.bin': rename it")
    path = tmp_path / "m.keras"
    with pytest.raises(FileNotFoundError, match="Expected a model saved as .keras"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"is damaged: it lacks \['metadata.json'\]"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "metadata.json"):
            archive.writestr(name, "{}")
    with pytest.raises(ValueError, match="Cannot use '.*m.keras'"):
        load_model(path)


def bomb(path, name, megabytes):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for _ in range(megabytes):
            file.write(bytes(1 << 20))


def test_bombs_are_refused_by_their_sizes(tmp_path, monkeypatch):
    def opened(*arguments, **options):
        raise AssertionError("unpacked")

    model, features = tmp_path / "m.keras", tmp_path / "a.npz"
    bomb(model, "config.json", 20)
    bomb(features, "features.npy", 130)
    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    for load, path in (
        (load_model, model),
        (Utterances.load, features),
        (Audio.load, features),
    ):
        with pytest.raises(ValueError) as error:
            load(path)
        assert str(error.value).startswith(f"{str(path)!r} is not unpacked. Expected ")
        assert "Check where it comes from" in str(error.value)


def test_an_array_that_claims_more_than_it_has_takes_no_memory(tmp_path):
    path = tmp_path / "a.npz"
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 8)}
    with (
        zipfile.ZipFile(path, "w") as archive,
        archive.open("features.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64))
    with pytest.raises(ValueError) as error:
        Utterances.load(path)
    assert str(error.value) == (
        f"Cannot read {str(path)!r} as .npz: 'features.npy' claims "
        "35,184,372,088,832 bytes, and has 64"
    )
