"""Numbers on the command line."""

import argparse

import pytest

from keras_rnn2dnn.commands.help import numbers


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (numbers.positive, "7", 7),
        (numbers.weight, "0.3", 0.3),
        (numbers.count, "32000", 32_000),
        (numbers.count, "32k", 32_000),
        (numbers.count, "1.5M", 1_500_000),
        (numbers.several, "15,5", (15, 5)),
        (numbers.delay, "auto", "auto"),
        (numbers.delay, "0", 0),
        (numbers.part, "3/16", (3, 16)),
    ],
)
def test_numbers_are_read(read, text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (numbers.positive, "0", "a whole number > 0"),
        (numbers.weight, "0", "a number > 0"),
        (numbers.weight, "inf", "a number > 0"),
        (numbers.weight, "light", "a number > 0"),
        (numbers.count, "32 kB", "a number, such as 32000 or 32k"),
        (numbers.count, "inf", "a number, such as 32000 or 32k"),
        (numbers.several, "128;128", "whole numbers, such as 128,128"),
        (numbers.delay, "-1", "a whole number >= 0, or auto"),
        (numbers.part, "16/16", "I/N with 0 <= I < N, such as 3/16"),
    ],
)
def test_what_cannot_be_read_says_what_is_expected(read, text, expected):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        read(text)
    assert str(error.value) == f"Expected {expected}. Received: {text!r}"
