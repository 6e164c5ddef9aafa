"""Actions that wait for modules, which are written on the spot."""

import importlib
import importlib.util
import sys
import threading

import pytest

from keras_rnn2dnn.util.first_import import _Finder, when_imported


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Returns a name, and the file of a module of that name."""
    name = "waited_for_by_the_tests"
    monkeypatch.syspath_prepend(tmp_path)
    yield name, tmp_path / f"{name}.py"
    sys.modules.pop(name, None)
    sys.meta_path[:] = [f for f in sys.meta_path if not waits(f)]


def waits(finder):
    return isinstance(finder, _Finder) and finder._name == "waited_for_by_the_tests"


def test_the_action_follows_the_import_and_the_finder_goes(module):
    name, file = module
    file.write_text("value = 3\n")
    values = []
    when_imported(name, lambda found: values.append(found.value))
    assert any(waits(finder) for finder in sys.meta_path)
    found = importlib.import_module(name)
    assert values == [3]
    assert not any(waits(finder) for finder in sys.meta_path)
    assert type(found.__loader__).__module__ != "keras_rnn2dnn.util.first_import"
    assert found.__spec__.loader is found.__loader__
    importlib.reload(found)
    importlib.import_module(name)
    assert values == [3]


def test_the_action_comes_at_once_where_the_module_is_there(module):
    name, file = module
    file.write_text("value = 3\n")
    importlib.import_module(name)
    values = []
    when_imported(name, lambda found: values.append(found.value))
    assert values == [3]
    assert not any(waits(finder) for finder in sys.meta_path)


def test_an_import_that_fails_is_waited_for_again(module):
    name, file = module
    file.write_text("import no_such_module_at_all\n")
    values = []
    when_imported(name, lambda found: values.append(found.value))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        importlib.import_module(name)
    assert values == []
    file.write_text("value = 44444\n")  # of another length: not the cached bytecode
    importlib.import_module(name)
    assert values == [44444]


def test_a_module_that_is_not_there_is_reported_as_ever(module):
    name, _ = module
    when_imported(name, lambda found: None)
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
        importlib.import_module(name)
    assert importlib.util.find_spec(name) is None


def test_several_may_wait(module):
    name, file = module
    file.write_text("value = 3\n")
    seen = []
    for number in range(3):
        when_imported(name, lambda found, number=number: seen.append(number))
    importlib.import_module(name)
    assert sorted(seen) == [0, 1, 2]
    assert not any(waits(finder) for finder in sys.meta_path)


def test_a_module_that_is_only_found_is_described_by_its_own_loader(module):
    name, file = module
    file.write_text("value = 3\n")
    values = []
    when_imported(name, lambda found: values.append(found.value))
    spec = importlib.util.find_spec(name)
    assert spec.loader.get_source(name) == "value = 3\n"
    assert (spec.origin, values) == (str(file), [])


def test_threads_see_the_module_after_the_action(module):
    name, file = module
    file.write_text("import time\ntime.sleep(0.05)\nready = []\n")
    when_imported(name, lambda found: found.ready.append(True))
    lengths = []

    def use():
        lengths.append(len(importlib.import_module(name).ready))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [1] * 8
