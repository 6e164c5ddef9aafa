"""Whether the shards of a store are as they were written."""

from pathlib import Path

from keras_rnn2dnn.alignments.shards.manifest import Manifest, Shard
from keras_rnn2dnn.alignments.shards.records import read_records
from keras_rnn2dnn.util.checksums import checksum_of


def check_files(directory: Path, manifest: Manifest) -> None:
    """Raises ValueError where a shard is missing or has another size."""
    for shard in manifest.shards:
        path = directory / shard.file
        if not path.is_file():
            raise ValueError(
                f"The store {str(directory)!r} lacks {shard.file!r}. Expected "
                f"{len(manifest.shards)} shards. Copy or write it again"
            )
        size = path.stat().st_size
        if size != shard.num_bytes:
            raise ValueError(
                f"{str(path)!r} is damaged. Expected {shard.num_bytes} bytes. "
                f"Received: {size}. Copy or write it again"
            )


def check_shard(directory: Path, manifest: Manifest, shard: Shard) -> None:
    """Raises ValueError where a shard is not as it was written; reads all of it."""
    if shard.crc32 is None or checksum_of(directory / shard.file) != shard.crc32:
        check_records(directory, manifest, shard)


def check_records(directory: Path, manifest: Manifest, shard: Shard) -> None:
    """Raises ValueError where a shard has a damaged record, or other counts.

    It takes far longer than a checksum, and names the record.
    """
    path, form = directory / shard.file, manifest.settings.record_format
    utterances = frames = 0
    for record in read_records(path):
        try:
            weights = form.decode(form.fields(record)).weights
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"Record {utterances} of {str(path)!r} is damaged: {error}"
            ) from error
        utterances, frames = utterances + 1, frames + int((weights > 0).sum())
    if (utterances, frames) != (shard.utterances, shard.frames):
        raise ValueError(
            f"{str(path)!r} is not the file of its manifest. Expected "
            f"{shard.utterances} utterances, {shard.frames} frames. Received: "
            f"{utterances} utterances, {frames} frames"
        )
    if shard.crc32 is not None and checksum_of(path) != shard.crc32:
        raise ValueError(
            f"{str(path)!r} is not the file of its manifest, though it has as many "
            "utterances and frames: its checksum differs. Copy or write it again"
        )
