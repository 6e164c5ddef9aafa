"""`rnn2dnn transcribe`: the words of audio files, or of PCM as it comes."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.formats.decoding import decode
from keras_rnn2dnn.audio.formats.headers import compressed
from keras_rnn2dnn.commands.terminal import say, shown_name
from keras_rnn2dnn.deploy.device import RecognizedWord, Utterance
from keras_rnn2dnn.recognition.recognizer import Recognizer
from keras_rnn2dnn.recognition.transcript import Transcript

_HINT = (
    ". A program that does not know the length in advance can give 16-bit PCM without "
    "a header on standard input"
)


def run(options: argparse.Namespace) -> int:
    """Prints what audio files hold; returns the exit code."""
    names = _names(options.audio)
    recognizer = Recognizer.load(options.bundle, options.threshold, options.engine)
    found, left_out = [], 0
    several = len(names) > 1
    for name in names:
        prefix = f"{shown_name(name)}: " if several else ""
        try:
            pieces = _audio(name, recognizer.sample_rate_hz)
        except (ValueError, OSError) as error:
            if options.strict or not several:
                raise
            reason = " ".join(str(error).split())
            sys.stderr.write(f"Left out: {reason}\n")
            left_out += 1
            continue
        shown = None if options.json else (prefix, options.times)
        transcript = follow(recognizer, pieces, shown)
        if options.json:
            say(json.dumps({"audio": name, **dataclasses.asdict(transcript)}))
        found.append(transcript)
    sys.stderr.write(f"{summary(recognizer, found)}\n")
    if left_out:
        sys.stderr.write(f"{left_out} of {len(names)} files left out\n")
    return int(left_out > 0)


def _names(given):
    """Returns the files, of a directory those in it and below.

    Raises:
        OSError: where one is missing, before the first one is recognised.
    """
    names = []
    for name in given:
        if name != "-" and not Path(name).exists():
            raise FileNotFoundError(f"No file {name!r}. Expected an audio file, or -")
        if name != "-" and Path(name).is_dir():
            from keras_rnn2dnn.audio.corpora.listing import list_audio

            names += [str(file.path) for file in list_audio(name)]
        else:
            names.append(name)
    return names


def follow(
    recognizer: Recognizer,
    pieces: Iterable[np.ndarray],
    shown: tuple[str, bool] | None = ("", False),
    by_utterance: bool = False,
) -> Transcript:
    """Prints the words of a stream as they become certain.

    Args:
        recognizer: what recognises them.
        pieces: PCM.
        shown: what each line begins with, and whether each word has a line with its
            times and confidence; or None to print nothing.
        by_utterance: whether a line ends where an utterance is over; between words with
            times an empty line.

    Returns:
        All of it.
    """
    stream = recognizer.stream()

    def events():
        for pcm in pieces:
            yield from stream.push_events(pcm)
        yield from stream.finish_events()

    prefix, times = shown or ("", False)
    begun = False  # whether there is a word on the line
    for event in events():
        if isinstance(event, Utterance):
            if shown and by_utterance and begun:
                say("")
                begun = False
        elif shown:
            before = recognizer.separator if begun else prefix
            sys.stdout.write(_line(event, prefix) if times else before + event.text)
            sys.stdout.flush()
            begun = True
    heard = bool(stream.transcript.words)
    is_open = begun and not times
    if shown and (is_open or (not heard and (prefix or not times))):
        say("" if heard else prefix)
    return stream.transcript


def summary(recognizer: Recognizer, transcripts: Sequence[Transcript]) -> str:
    """Returns lines on how fast words were recognised, and how late they are."""
    audio_s = sum(transcript.audio_s for transcript in transcripts)
    busy_s = sum(transcript.busy_s for transcript in transcripts)
    factor = f"{busy_s / audio_s:.3f}" if audio_s else "unknown"
    lines = [
        f"{audio_s:.1f} s of audio in {busy_s:.2f} s: real-time factor {factor}",
        f"latency: {recognizer.latency}",
    ]
    delays = [ms for transcript in transcripts for ms in transcript.delays_ms]
    if delays:
        lines.append(
            f"words were certain {np.median(delays):,.0f} ms after their end (median), "
            f"{max(delays):,} ms at most, {len(delays):,} words"
        )
    return "\n".join(lines)


def _line(word: RecognizedWord, prefix):
    times = f"{word.start_ms / 1000:.2f} {word.end_ms / 1000:.2f}"
    return f"{prefix}{times} {word.text} {word.confidence:.1f}\n"


def _audio(name, sample_rate_hz) -> Iterable[np.ndarray]:
    if name == "-":
        return _standard_input(sample_rate_hz)
    data = Path(name).read_bytes()
    return [_decoded(f"the audio file {name!r}", data, sample_rate_hz)]


def _standard_input(sample_rate_hz) -> Iterable[np.ndarray]:
    """Returns the samples that come; those of WAV when it has ended."""
    stdin, head = sys.stdin.buffer, b""
    while len(head) < 4 and (data := _read(stdin)):
        head += data
    if len(head) < 2:
        raise ValueError("No audio on standard input. Expected WAV or 16-bit PCM")
    if head.startswith(b"RIFF"):
        data = head + stdin.read()
        return [_decoded("the WAV on standard input", data, sample_rate_hz)]
    # Some PCM begins like MP3: the second frame, a kB later, tells them apart.
    while compressed(head) is None and (data := _read(stdin)):
        head += data
    if kind := compressed(head):
        raise ValueError(
            f"Cannot use {kind} on standard input. Expected WAV or 16-bit PCM. Give "
            "FLAC, MP3 and Ogg Vorbis as files, by their names"
        )
    return _pcm(stdin, head)


def _pcm(stdin, data) -> Iterator[np.ndarray]:
    while data:
        whole = len(data) // 2 * 2
        yield np.frombuffer(data[:whole], "<i2").astype(np.int16)
        new = _read(stdin)
        data = new and data[whole:] + new


def _read(stdin):
    try:
        return stdin.read1(1 << 16)
    except KeyboardInterrupt:  # ends the audio, as it ends the program that gives it
        return b""


def _decoded(what, data, sample_rate_hz):
    try:
        return decode(data, sample_rate_hz)
    except ValueError as error:
        hint = _HINT if data.startswith(b"RIFF") else ""
        raise ValueError(f"Cannot use {what}: {error}{hint}") from error
