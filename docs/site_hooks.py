"""What MkDocs adds to the pages here: a reference, the README and linked files."""

import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
PACKAGE = "keras_rnn2dnn"
MODULES = [
    "alignments",
    "alignments.delay",
    "audio.augment",
    "audio.centering",
    "audio.corpora",
    "audio.corpora.audio_files",
    "audio.corpora.listing",
    "audio.corpora.loading",
    "audio.corpora.manifests",
    "audio.corpora.name_patterns",
    "audio.corpora.tfds",
    "audio.corpora.whole_corpus",
    "audio.corpora.word_folders",
    "audio.espeak",
    "audio.feature_spec",
    "audio.features",
    "audio.formats.decoding",
    "audio.formats.graph_decoding",
    "audio.formats.headers",
    "audio.resampling",
    "audio.word_strings",
    "audio.streams",
    "audio.synthesis",
    "batches",
    "budget",
    "ctc",
    "deploy",
    "deploy.device",
    "distillation.kl_callback",
    "distillation.losses",
    "distillation.top_k",
    "hmm",
    "kaldi",
    "models",
    "models.layers",
    "models.spliced_dense",
    "quantization",
    "recognition",
    "report",
    "scale",
    "scoring",
    "util.epoch_backup",
    "util.files",
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
    for title, members in (("Reference", names), ("Reference of modules", MODULES)):
        entries = [{name: f"reference/{name}.md"} for name in members]
        config.nav.append({title: entries})
    return config


def on_files(files, config):
    """Adds generated pages, and the files outside of `docs` that pages link to."""
    texts = [file.content_string for file in files.documentation_pages()]
    for path, content in config.extra["pages"].items():
        files.append(File.generated(config, path, content=content))
        texts.append(content)
    links = {link for text in texts for _, link in LINK.findall(text)}
    for link in sorted(links - {"../README.md"}):
        source = (ROOT / "docs" / link).resolve()
        if link.startswith("../") and source.is_file():
            copy = File.generated(config, _copied(link), abs_src_path=str(source))
            files.append(copy)
    return files


def on_page_markdown(markdown, page, config, files):
    """Lets links to files outside of `docs` lead to their copies in the site."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    return LINK.sub(lambda m: m[1] + _copied(m[2]), markdown)


def on_post_build(config):
    """Writes the index of the search as a script, which pages opened as files load."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text()
    (folder / "search_index.js").write_text(f"var searchIndex = {index};\n")


def _copied(link):
    """Returns where in the site the target of a link is."""
    if link == "../README.md":
        return "readme.md"
    if not link.startswith("../"):
        return link
    copy = link.replace("../", "sources/", 1)
    return f"{copy}.txt" if copy.endswith(".md") else copy  # no page of the site


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
