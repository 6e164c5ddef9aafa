import pytest
from helpers import report_runs


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory):
    """A finished demo of two folds; tests that change it take a copy."""
    return report_runs.make_run(tmp_path_factory.mktemp("runs") / "run", ("ada", "bob"))
