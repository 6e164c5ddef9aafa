"""Recordings with transcripts, and readers of published corpora."""

import dataclasses
import io
import re
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.formats.wav_chunks import wav_chunks
from keras_rnn2dnn.audio.sample_checks import SCALE, check_scale
from keras_rnn2dnn.audio.synthesis import english_voices, synthesize_words
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import new_file

DIGITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
_FSDD_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>.+)_(?P<index>\d+)")


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one speaker.

    Args:
        samples: float32 in [-1, 1], `(samples,)`.
        sample_rate_hz: of the samples.
        words: what is said.
        speaker: who says it.
        index: number of the recording among those of the same words and speaker.
    """

    samples: np.ndarray
    sample_rate_hz: int
    words: tuple[str, ...]
    speaker: str
    index: int


def read_fsdd(directory: str | Path) -> list[Recording]:
    """Reads the Free Spoken Digit Dataset: `{digit}_{speaker}_{index}.wav`.

    Args:
        directory: holds the files, or a folder `recordings` with them.

    Returns:
        The recordings, in the order of their file names.

    Raises:
        FileNotFoundError: if there is no such directory, or no such file in it.
        ValueError: if a file is not 16-bit mono PCM, or the sample rates differ.
    """
    directory = Path(directory)
    folder = directory / "recordings"
    folder = folder if folder.is_dir() else directory
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No directory {str(directory)!r}. Expected a directory with files such "
            "as 7_jackson_0.wav"
        )
    files = [(path, _FSDD_NAME.fullmatch(path.stem)) for path in folder.glob("*.wav")]
    recordings = [
        Recording(
            *read_wav(path),
            words=(DIGITS[int(match["digit"])],),
            speaker=match["speaker"],
            index=int(match["index"]),
        )
        for path, match in sorted(files)
        if match
    ]
    if not recordings:
        raise FileNotFoundError(
            f"No recordings in {str(directory)!r}. Expected files named "
            f"{{digit}}_{{speaker}}_{{index}}.wav. Received: {len(files)} other .wav "
            "files"
        )
    rates = sorted({recording.sample_rate_hz for recording in recordings})
    if len(rates) > 1:
        raise ValueError(
            f"Different sample rates. Expected one for all recordings. Received: "
            f"{rates} Hz"
        )
    return recordings


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """Reads a WAV file of 16-bit mono PCM.

    Args:
        path: of the file.

    Returns:
        The samples in [-1, 1), float32, `(samples,)`, and the sample rate in Hz.

    Raises:
        ValueError: if the file is damaged or empty, or of another format; names the
            file.
    """
    whole = Path(path).read_bytes()
    try:
        with wave.open(io.BytesIO(whole)) as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            rate, num_samples = file.getframerate(), file.getnframes()
            data = file.readframes(num_samples)
    except (wave.Error, EOFError, RuntimeError) as error:
        reason = str(error) or "it is damaged"
        raise ValueError(f"Cannot read {str(path)!r} as WAV: {reason}") from error
    if (channels, width) != (1, 2):
        raise ValueError(
            f"Unsupported WAV file {str(path)!r}. Expected 16-bit mono. Received: "
            f"{8 * width}-bit, {channels} channels"
        )
    if not data or len(data) != 2 * num_samples:
        raise ValueError(
            f"Empty or damaged WAV file {str(path)!r}. Expected "
            f"{num_samples or 'some'} samples. Received: {len(data) // 2}"
        )
    try:  # what `wave` passes over, such as more samples
        wav_chunks(whole)
    except (ValueError, struct.error) as error:
        raise ValueError(f"Cannot read {str(path)!r} as WAV: {error}") from error
    return np.frombuffer(data, "<i2").astype("float32") / 32768.0, rate


def write_wav(path: str | Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    """Writes a WAV file of 16-bit mono PCM.

    Args:
        path: of the file; its directory is made.
        samples: `(samples,)` in [-1, 1); what is a little beyond is clipped.
        sample_rate_hz: of the samples.

    Raises:
        ValueError: if they are no floats, or far beyond [-1, 1].

    Example:
        >>> write_wav("a.wav", np.array([0.5, -1.0]), 8000)
        >>> read_wav("a.wav")
        (array([ 0.5, -1. ], dtype=float32), 8000)
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        received = f"{samples.dtype} {samples.shape}"
        raise ValueError(invalid("samples", "floats (samples,)", received, SCALE))
    check_scale("samples", samples)
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")
    with new_file(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm.tobytes())


def synthetic_recordings(
    words: Sequence[str], num_voices: int, repetitions: int, seed: int
) -> list[Recording]:
    """Synthesises single words by many English voices; see `audio.synthesis`.

    Args:
        words: vocabulary.
        num_voices: how many voices.
        repetitions: recordings of each word by each voice, at drawn rate and pitch.
        seed: of voices, rates and pitches.

    Returns:
        The recordings, at 8 kHz.

    Raises:
        ImportError: if espeak-ng is missing; holds the pip line.
        ValueError: if a word cannot be spoken.
    """
    utterances = synthesize_words(
        words, english_voices(num_voices, seed), repetitions, seed
    )
    return [
        Recording(
            utterance.samples,
            utterance.sample_rate_hz,
            words=(utterance.text,),
            speaker=utterance.voice,
            index=number % repetitions,
        )
        for number, utterance in enumerate(utterances)
    ]
