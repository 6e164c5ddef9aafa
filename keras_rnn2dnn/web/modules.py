"""Modules of JavaScript in one script, for a page that loads nothing."""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.M)


def inlined(path: Path) -> str:
    r"""Returns a module, after the modules that it imports, as one script.

    Each is a function that is called at once, so that names within stay within. What a
    module exports is an object of its name. Of the language it knows
    `import { a, b } from "./name.js";` and `export` before functions, classes and
    constants; two modules must not import each other.

    Args:
        path: of the module; the others lie beside it.

    Example:
        >>> _ = Path("two.js").write_text("export const two = 2;\n")
        >>> text = 'import { two } from "./two.js";\nuse(two);\n'
        >>> _ = Path("main.js").write_text(text)
        >>> print(inlined(Path("main.js")))
        const two_js = (() => {
        const two = 2;
        return { two };
        })();
        const main_js = (() => {
        const { two } = two_js;
        use(two);
        return {  };
        })();
        <BLANKLINE>
    """
    done: dict[str, str] = {}
    _add(path, done)
    return "".join(done.values())


def _add(path, done):
    text = path.read_text("utf-8")
    for _, name in _IMPORT.findall(text):
        if name not in done:
            _add(path.with_name(f"{name}.js"), done)
    exported = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = \2_js;\n", text))
    name = f"{path.stem}_js"
    done[path.stem] = (
        f"const {name} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
    )
