import pytest

from keras_rnn2dnn.recipe.from_corpus import student_size
from keras_rnn2dnn.recipe.from_corpus.student_size import fitting_student


@pytest.fixture
def counted(monkeypatch):
    """Sizes by a formula, and the students that were asked for."""
    asked = []

    def size(num_features, num_states, units):
        asked.append(units)
        return 3 * num_features * units[0] + 1000

    monkeypatch.setattr(student_size, "_num_bytes", size)
    return asked


@pytest.mark.parametrize(
    ("max_bytes", "units"),
    [
        (1000 + 3 * 24 * 80, (80, 72, 60)),
        (1000 + 3 * 24 * 88 - 1, (80, 72, 60)),
        (1000 + 3 * 24 * 17, (16, 16, 12)),
        (10**9, (320, 288, 240)),
    ],
)
def test_the_widest_student_that_fits_is_taken(max_bytes, units, counted):
    found = fitting_student(24, 51, max_bytes)
    assert found == {"student_units": units, "student_steps": (1, 3, 6)}
    assert len(counted) < 8  # of 39


def test_what_no_student_fits_names_the_smallest(counted):
    with pytest.raises(ValueError) as error:
        fitting_student(24, 51, 2000)
    assert str(error.value) == (
        "Invalid value for `max_bytes`. Expected a size that a student fits. Received: "
        "max_bytes=2000. The smallest student of 51 states has 2,152 bytes"
    )


@pytest.mark.parametrize("max_bytes", [0, 1.5])
def test_a_size_is_a_whole_number(max_bytes):
    with pytest.raises(ValueError, match="Expected an integer > 0"):
        fitting_student(24, 51, max_bytes)


def test_sizes_are_those_of_the_int8_file():
    assert 2000 < student_size._num_bytes(4, 11, (16, 16, 12)) < 8000
