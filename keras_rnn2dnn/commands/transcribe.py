"""`rnn2dnn transcribe`: the words of audio files, or of PCM as it comes."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from keras_rnn2dnn.audio.decoding import decode, decode_file
from keras_rnn2dnn.commands.parser import add_command, say
from keras_rnn2dnn.deploy.device import RecognizedWord
from keras_rnn2dnn.recognizer import Recognizer
from keras_rnn2dnn.transcript import Transcript


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "transcribe",
        _run,
        "Recognise audio with a bundle on this host; the real-time factor and the "
        "latency go to standard error.",
        "rnn2dnn transcribe bundle yes.wav no.flac --times",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="AUDIO",
        help="WAV, FLAC, MP3 or Ogg Vorbis of any rate; - is standard input: WAV, or "
        "else 16-bit little-endian mono PCM at the bundle's rate without a header, "
        "whose words are printed as they come",
    )
    add_times(parser)
    parser.add_argument(
        "--json", action="store_true", help="print an object for each file"
    )


def add_times(parser) -> None:
    """Adds `--times`."""
    parser.add_argument(
        "--times",
        action="store_true",
        help="print a line for each word: its start and end in seconds, and the word",
    )


def _run(options):
    recognizer, found = Recognizer.load(options.bundle), []
    rate = recognizer.sample_rate_hz
    for name in options.audio:
        prefix = f"{name}: " if len(options.audio) > 1 else ""
        pieces = _standard_input(rate) if name == "-" else [decode_file(name, rate)]
        shown = None if options.json else (prefix, options.times)
        transcript = follow(recognizer, pieces, shown)
        if options.json:
            say(json.dumps({"audio": name, **dataclasses.asdict(transcript)}))
        found.append(transcript)
    sys.stderr.write(f"{summary(recognizer, found)}\n")


def follow(
    recognizer: Recognizer,
    pieces: Iterable[np.ndarray],
    shown: tuple[str, bool] | None = ("", False),
) -> Transcript:
    """Prints the words of a stream as they become certain.

    Args:
        recognizer: what recognises them.
        pieces: PCM.
        shown: what each line begins with, and whether each word has a line with its
            times; or None to print nothing.

    Returns:
        All of it.
    """
    stream = recognizer.stream()

    def words():
        for pcm in pieces:
            yield from stream.push(pcm)
        yield from stream.finish()

    prefix, times = shown or ("", False)
    for number, word in enumerate(words()):
        if shown:
            before = recognizer.separator if number else prefix
            sys.stdout.write(_line(word, prefix) if times else before + word.text)
            sys.stdout.flush()
    if shown and not times:
        say("" if stream.transcript.words else prefix)
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
    return f"{prefix}{times} {word.text}\n"


def _standard_input(sample_rate_hz) -> Iterator[np.ndarray]:
    """Yields the samples that come; those of WAV when it has ended."""
    stdin, head = sys.stdin.buffer, b""
    while len(head) < 4 and (data := _read(stdin)):
        head += data
    if len(head) < 2:
        raise ValueError("No audio on standard input. Expected WAV or 16-bit PCM")
    if head.startswith(b"RIFF"):
        yield _decoded(head + stdin.read(), sample_rate_hz)
        return
    data = head
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


def _decoded(data, sample_rate_hz):
    try:
        return decode(data, sample_rate_hz)
    except ValueError as error:
        raise ValueError(
            f"Cannot use the WAV on standard input: {error}. A program that does not "
            "know the length in advance can give 16-bit PCM without a header"
        ) from error
