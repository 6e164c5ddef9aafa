"""Puts the parts of a store that several machines wrote together."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.alignments.shards.manifest import FILE, Manifest, locked
from keras_rnn2dnn.util.errors import invalid


def merge_parts(path: Path, parts: Sequence[str | Path]) -> None:
    """Moves the shards of all parts into one store; see `SoftAlignments.merge`."""
    if (path / FILE).exists():
        raise ValueError(
            f"{str(path)!r} holds a store already. Expected a new directory for "
            "the parts together. Give another path"
        )
    manifests = [(Path(part), Manifest.load(Path(part))) for part in parts]
    _check_parts(manifests)
    shards = sorted(
        ((shard, part) for part, m in manifests for shard in m.shards),
        key=lambda pair: pair[0].number,
    )
    with locked(path):
        for shard, part in shards:
            if (part / shard.file).exists():
                shutil.move(part / shard.file, path / shard.file)
        first = manifests[0][1]
        dataclasses.replace(
            first, shards=tuple(shard for shard, _ in shards), part=(0, 1)
        ).save(path)


def _check_parts(manifests):
    if not manifests:
        raise ValueError(invalid("parts", "at least one directory", []))
    first_path, first = manifests[0]
    for path, manifest in manifests:
        if not manifest.complete:
            raise ValueError(
                f"The part {str(path)!r} is unfinished: write it to its end"
            )
        differences = first.differences(manifest.settings)
        if manifest.utterances != first.utterances:
            counts = f"{first.utterances} against {manifest.utterances}"
            differences.append(f"utterances of the data {counts}")
        if differences:
            raise ValueError(
                f"The parts {str(first_path)!r} and {str(path)!r} are of different "
                f"kinds: {'; '.join(differences)}"
            )
    expected = {(i, first.part[1]) for i in range(first.part[1])}
    found = [manifest.part for _, manifest in manifests]
    if set(found) != expected or len(found) != len(expected):
        raise ValueError(
            f"The parts do not make up a store. Expected {sorted(expected)}. Received: "
            f"{sorted(found)}"
        )
