import pytest


@pytest.fixture
def espeakng_loader():
    """Skips the test where the package is not installed."""
    return pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")
