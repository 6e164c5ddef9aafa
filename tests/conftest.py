import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """Gives every test the same random numbers."""
    keras.utils.set_random_seed(0)
