import pytest

from keras_rnn2dnn.recipe.from_corpus import student_size
from keras_rnn2dnn.recipe.from_corpus.student_size import fitting_student


@pytest.fixture
def counted(monkeypatch):
    """Sizes by a formula, and the students that were asked for."""
    asked = []

    def size(num_features, num_states, context, units):
        asked.append((context, units))
        window = sum(context) + 1
        return window * num_features * units[0] + 1000

    monkeypatch.setattr(student_size, "_num_bytes", size)
    return asked


@pytest.mark.parametrize(
    ("max_bytes", "context", "units"),
    [
        (1000 + 21 * 24 * 64, (10, 10), (64, 64)),
        (1000 + 21 * 24 * 72 - 1, (10, 10), (64, 64)),
        (1000 + 21 * 24 * 100, (10, 10), (96, 96, 96)),
        (1000 + 15 * 24 * 33, (7, 7), (32, 32)),
        (1000 + 7 * 24 * 17, (3, 3), (16, 16)),
        (10**9, (10, 10), (256, 256, 256)),
    ],
)
def test_the_widest_student_that_fits_is_taken(max_bytes, context, units, counted):
    found = fitting_student(24, 51, max_bytes)
    assert found == {"student_context": context, "student_units": units}
    assert len(counted) < 24  # of 124


def test_what_no_student_fits_names_the_smallest(counted):
    with pytest.raises(ValueError) as error:
        fitting_student(24, 51, 2000)
    assert str(error.value) == (
        "Invalid value for `max_bytes`. Expected a size that a student fits. Received: "
        "max_bytes=2000. The smallest student of 51 states has 3,688 bytes"
    )


@pytest.mark.parametrize("max_bytes", [0, 1.5])
def test_a_size_is_a_whole_number(max_bytes):
    with pytest.raises(ValueError, match="Expected an integer > 0"):
        fitting_student(24, 51, max_bytes)


def test_sizes_are_those_of_the_int8_file():
    assert 2000 < student_size._num_bytes(4, 11, (1, 1), (16, 16)) < 6000
