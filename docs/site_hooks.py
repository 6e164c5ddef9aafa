"""What MkDocs adds to the pages here: a reference, the README and linked files."""

import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
PACKAGE = "keras_rnn2dnn"
MODULES = [
    "audio.augment",
    "audio.centering",
    "audio.corpora",
    "audio.decoding",
    "audio.espeak",
    "audio.features",
    "audio.headers",
    "audio.listing",
    "audio.loading",
    "audio.resampling",
    "audio.strings",
    "audio.synthesis",
    "audio.tfds",
    "batches",
    "budget",
    "callbacks",
    "ctc",
    "delay",
    "deploy",
    "deploy.device",
    "files",
    "hmm",
    "kaldi",
    "layers",
    "losses",
    "models",
    "scale",
    "scoring",
    "spliced_dense",
    "top_k",
]
LINK = re.compile(r"(\]\()([^)#\s]+)")


def public_names(package, module: str) -> list[str]:
    """Returns the public names of a module: its `__all__`, or what it defines."""
    found = package[module] if module else package
    if found.exports:
        return sorted(str(name) for name in found.exports)
    return sorted(
        name
        for name, member in found.members.items()
        if not name.startswith("_")
        and not member.is_alias
        and (member.is_class or member.is_function)
    )


def on_config(config):
    """Adds the reference to the navigation."""
    package = griffe.load(PACKAGE, search_paths=[ROOT])
    names = public_names(package, "")
    pages = {f"reference/{name}.md": f"::: {PACKAGE}.{name}\n" for name in names}
    for module in MODULES:
        pages[f"reference/{module}.md"] = _module_page(package, module, names)
    pages["readme.md"] = _outside_links((ROOT / "README.md").read_text())
    config.extra["pages"] = pages
    reference = [p for p in pages if p.startswith("reference/")]
    tops, modules = reference[: len(names)], reference[len(names) :]
    config.nav.append({"Reference": [{Path(page).stem: page} for page in tops]})
    config.nav.append(
        {"Reference of modules": [{page[10:-3]: page} for page in modules]}
    )
    return config


def on_files(files, config):
    """Adds generated pages, and the files outside of `docs` that pages link to."""
    linked = set()
    for file in list(files.documentation_pages()):
        linked |= {Path(link).as_posix() for link in _outside(file.content_string)}
    for path, content in config.extra["pages"].items():
        files.append(File.generated(config, path, content=content))
        linked |= set(_outside(content))
    for link in sorted(linked - {"../README.md"}):
        source = (ROOT / "docs" / link).resolve()
        if source.is_file():
            path = f"sources/{link.removeprefix('../')}"
            files.append(File.generated(config, path, abs_src_path=str(source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lets links to files outside of `docs` lead to their copies in the site."""
    markdown = markdown.replace("](../README.md", "](readme.md")
    if page.file.src_uri.startswith("reference/"):
        return markdown
    return LINK.sub(lambda m: m[1] + re.sub(r"^\.\./", "sources/", m[2]), markdown)


def _outside(markdown):
    return [link for _, link in LINK.findall(markdown) if link.startswith("../")]


def _outside_links(readme):
    """Returns the README with its links as a page of `docs` has them."""
    readme = LINK.sub(lambda m: m[0] if "://" in m[2] else f"{m[1]}../{m[2]}", readme)
    return readme.replace("](../docs/", "](")


def _module_page(package, module, top_names):
    path = f"{PACKAGE}.{module}"
    text = f"# {path}\n\n{package[module].docstring.value}\n"
    for name in public_names(package, module):
        if name in top_names:
            text += f"\n## [{name}]({name}.md)\n"
            continue
        text += f"\n::: {path}.{name}\n    options:\n      heading_level: 2\n"
    return text
