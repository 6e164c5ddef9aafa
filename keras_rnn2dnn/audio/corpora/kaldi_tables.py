"""The utterances of a Kaldi data directory with audio: `wav.scp` and `segments`."""

import math
import re
from pathlib import Path

from keras_rnn2dnn.audio.corpora.audio_files import AudioFile
from keras_rnn2dnn.audio.corpora.manifests import read_table
from keras_rnn2dnn.util.errors import invalid

_WITH_CHANNEL = re.compile(r"(?P<path>.+?)\s+(?P<channel>[A-Z]|\d)")


def list_kaldi(directory: str | Path) -> list[AudioFile]:
    """Lists a Kaldi data directory: `wav.scp`, and `segments`, `text`, `utt2spk`.

    Of recordings with several channels, a fifth column of `segments` says which one it
    is (from 0, or A, B), else `reco2file_and_channel` (A, B; or from 1), else a letter
    or number (from 0) behind the path in `wav.scp`; else it is the mean of all.

    Args:
        directory: of the tables; all but `wav.scp` may be missing.

    Raises:
        FileNotFoundError: if there is no `wav.scp`.
        ValueError: if a recording is a command (`sox ... |`), which is never run,
            `segments` names none of `wav.scp`, or a channel is none.
    """
    root = Path(directory)
    recordings, channels = _recordings(root)
    texts, speakers = (_table(root / name) for name in ("text", "utt2spk"))
    segments = {name: (name, 0.0, None, None) for name in recordings}
    if (root / "segments").is_file():
        segments = _segments(root / "segments", recordings)
    return [
        AudioFile(
            Path(recordings[recording]),
            name,
            texts.get(name),
            speakers.get(name),
            start,
            end,
            channels.get(recording) if channel is None else channel,
        )
        for name, (recording, start, end, channel) in segments.items()
    ]


def _table(path):
    return read_table(path) if path.is_file() else {}


def _recordings(root):
    """Returns the path, and the channel where there is one, of each recording."""
    recordings, channels = read_table(root / "wav.scp"), {}
    for name, value in recordings.items():
        if value.endswith("|") or value.startswith("|"):
            raise ValueError(
                f"{str(root / 'wav.scp')!r} has a command for {name!r}: {value!r}. "
                "Expected the path of an audio file. Write the command's output to a "
                "file, and its path here"
            )
        match = _WITH_CHANNEL.fullmatch(value)
        if match and not Path(value).is_file():
            recordings[name] = match["path"]
            channels[name] = _channel(match["channel"])
    path = root / "reco2file_and_channel"
    for name, value in _table(path).items():
        column = value.split()[-1] if len(value.split()) == 2 else ""
        channel = _channel(column, first=1)
        if channel is None:
            expected = "a file and a channel, A or B"
            where = f"{name} of {str(path)!r}"
            raise ValueError(invalid(where, expected, value))
        channels[name] = channel
    return recordings, channels


def _channel(column, first=0):
    """Returns the channel from 0 that a letter or number means; None for no channel."""
    if re.fullmatch("[A-Z]", column):
        return ord(column) - ord("A")
    if re.fullmatch(r"\d{1,4}", column) and int(column) >= first:
        return int(column) - first
    return None


def _segments(path, recordings):
    return {
        name: _segment(path, name, value, recordings)
        for name, value in read_table(path).items()
    }


def _segment(path, name, value, recordings):
    """Returns recording, start, end and channel of a segment, or raises."""
    try:
        recording, start, end, *column = value.split()
        start, end = float(start), float(end)
        channel = _channel(*column) if column else None
        good = recording in recordings and start >= 0
        good = good and math.isfinite(start) and math.isfinite(end)
        good = good and (end < 0 or end > start)
        good = good and (not column or channel is not None)
    except (ValueError, TypeError):
        good = False
    if not good:
        raise ValueError(
            f"Cannot use the segment {name!r} of {str(path)!r}. Expected a recording "
            f"of wav.scp, its start and its end, and maybe a channel. Received: "
            f"{value!r}"
        )
    # Kaldi's -1: the end of the recording
    return recording, start, None if end < 0 else end, channel
