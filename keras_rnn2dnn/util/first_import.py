"""Imports that wait: names until their first use, actions until another's import.

An action is done as soon as a module of others has been imported, by whomever.
"""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import pkgutil
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from keras_rnn2dnn.util.errors import without_tensorflow

_ROOT = "keras_rnn2dnn"


def on_first_use(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Has the names of a package imported when they are first used, and its modules.

    So `import` of the package costs nothing, and needs nothing of what they need.

    Args:
        package: `__name__` of one of this distribution.
        places: for each name the module that holds it, below `keras_rnn2dnn`.

    Returns:
        `__getattr__` and `__dir__` of the package. The first raises ImportError, with
        the pip line, for a name that needs TensorFlow where that is not installed.
    """
    module = sys.modules[package]
    module.__class__ = type("Package", (_Package,), {"_places": frozenset(places)})

    def get(name: str) -> Any:
        if name in places:
            with without_tensorflow(f"`{name}`"):
                found = importlib.import_module(f"{_ROOT}.{places[name]}")
            setattr(module, name, getattr(found, name))
            return getattr(module, name)
        path = f"{package}.{name}"
        if not name.startswith("_") and importlib.util.find_spec(path) is not None:
            return importlib.import_module(path)
        text = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=module)

    def names() -> list[str]:
        modules = (module.name for module in pkgutil.iter_modules(module.__path__))
        return sorted({*vars(module), *places, *modules})

    return get, names


class _Package(ModuleType):
    """A package some of whose modules have the names of what they hold."""

    _places: frozenset[str] = frozenset()

    def __setattr__(self, name, value):
        # Such as `deploy.convert`, where the import of the module would put itself.
        if not (name in self._places and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def when_imported(name: str, action: Callable[[ModuleType], object]) -> None:
    """Calls a function once a module has been imported: now, or after its import.

    Until then a finder waits at the head of `sys.meta_path`. It finds nothing itself:
    it asks the finders behind it, and has the module's own loader followed by the
    function. Then it takes itself away. Where the import fails, it stays for the next.

    Args:
        name: of a module at the top, such as `"keras"`.
        action: called with the module, while others wait for it, so it should import
            nothing that needs it. Called twice where two threads are at it.
    """
    finder = _Finder(name, action)
    sys.meta_path.insert(0, finder)
    # Looked for after that, lest another thread imports it between the two.
    if sys.modules.get(name) is not None:
        # Waits where it is still being imported.
        finder.finish(importlib.import_module(name))


class _Finder:  # `importlib.abc` would import much, and no finder needs it
    """Finds a module as the finders behind it do, and has it followed by an action."""

    def __init__(self, name, action):
        self._name = name
        self._action = action
        self._thread = threading.local()  # `searching`: asked by another such finder

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self._name or getattr(self._thread, "searching", False):
            return None
        self._thread.searching = True
        try:
            spec = self._found(path, target)
        finally:
            self._thread.searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.finish)
        return spec

    def _found(self, path, target) -> importlib.machinery.ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(self._name, path, target)
                if spec is not None:
                    return spec
        return None

    def finish(self, module):
        """Takes the finder away, and does what it waited for."""
        with contextlib.suppress(ValueError):  # taken away by another thread
            sys.meta_path.remove(self)
        self._action(module)


class _Loader:
    """Loads a module as its own loader does, and calls a function when it is whole."""

    def __init__(self, loader, loaded):
        self._own = loader
        self._loaded = loaded

    def create_module(self, spec):
        return self._own.create_module(spec)

    def exec_module(self, module):
        # The module knows its own loader alone, during its import and afterwards.
        module.__loader__ = module.__spec__.loader = self._own
        self._own.exec_module(module)
        self._loaded(module)

    def __getattr__(self, name):  # such as get_source, of a module that is only found
        return getattr(self._own, name)
