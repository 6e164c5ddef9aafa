"""A stream in the C code of a bundle: PCM in, events out, by `ctypes`."""

import copy
import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device.events import (
    CONFIDENCE_STEPS,
    RecognizedWord,
    Utterance,
    threshold_steps,
)

GOLDEN = ("golden/recordings.pcm", "golden/words.u32")
_UTTERANCE = 2**32 - 1
_PIECE = 4096  # samples at a time, which bounds the events of a call


class _Event(ctypes.Structure):
    """`host_event` of recognizer_host.c."""

    _fields_ = (
        ("frame", ctypes.c_uint64),
        ("word", ctypes.c_uint32),
        ("start_ms", ctypes.c_uint32),
        ("end_ms", ctypes.c_uint32),
        ("value", ctypes.c_int32),
    )


@functools.cache
def load_library(path: Path) -> ctypes.CDLL:
    """Loads a library of `library.compile_library`.

    Raises:
        OSError: if it is none, or of another machine.
    """
    library = ctypes.CDLL(str(path))
    stream, events = ctypes.c_void_p, ctypes.POINTER(_Event)
    library.host_size.restype = ctypes.c_uint64
    library.host_init.argtypes = (stream,)
    library.host_report.argtypes = (stream, ctypes.c_int32, ctypes.c_char_p)
    pushed = (ctypes.c_void_p, ctypes.c_uint32)
    library.host_push.argtypes = (stream, *pushed, events, ctypes.c_uint32)
    library.host_push.restype = ctypes.c_uint32
    library.host_finish.argtypes = (stream, events, ctypes.c_uint32)
    library.host_finish.restype = ctypes.c_uint32
    return library


class CompiledStages:
    """The stages of a stream, as those of `streaming.Stages`, in C.

    Args:
        recognizer: a `Recognizer`, of which threshold and keywords may change.
        library: of `load_library`.
    """

    def __init__(self, recognizer, library: ctypes.CDLL):
        self._recognizer, self._library = recognizer, library
        # Of 64 bits, where the structure begins as the compiler has it.
        self._state = (ctypes.c_uint64 * (-(-library.host_size() // 8)))()
        spec, limits = recognizer.spec, recognizer.limits
        # Each frame ends a word and an utterance at most; those held back come on top.
        frames = _PIECE // spec.frame_step + 2 + recognizer.field.right
        self._most = 2 * frames + limits.history + 2
        self._events = (_Event * self._most)()
        self._samples = 0
        self._reported: tuple | None = None
        self._keywords: bytes | None = None  # the library reads them in every call
        library.host_init(self._state)

    def push(self, pcm: np.ndarray) -> list[tuple[RecognizedWord | Utterance, int]]:
        """Takes int16 `(samples,)`.

        Returns:
            Words and ends of utterances, and how many samples made each of them
            certain.
        """
        self._report()
        found, pcm = [], np.ascontiguousarray(pcm)
        for start in range(0, len(pcm), _PIECE):
            piece = pcm[start : start + _PIECE]
            self._samples += len(piece)
            given = piece.ctypes.data, len(piece)
            count = self._library.host_push(
                self._state, *given, self._events, self._most
            )
            found += self._found(count, self._heard)
        return found

    def finish(self) -> list[tuple[RecognizedWord | Utterance, int]]:
        """Ends the utterance; returns what is left, as `push` does."""
        self._report()
        count = self._library.host_finish(self._state, self._events, self._most)
        return list(self._found(count, lambda frame: self._samples))

    def _report(self):
        recognizer = self._recognizer
        wanted = recognizer.threshold, recognizer.keywords
        if wanted == self._reported:
            return
        self._reported, (threshold, keywords) = wanted, wanted
        self._keywords = None
        if keywords is not None:
            self._keywords = bytes(label in keywords for label in recognizer.labels)
        steps = threshold_steps(threshold)
        self._library.host_report(self._state, steps, self._keywords)

    def _heard(self, frame):
        """Returns the samples that were needed for an output frame."""
        spec, field = self._recognizer.spec, self._recognizer.field
        needed = spec.num_samples(frame * field.stride + field.right + 1)
        return min(needed, self._samples)

    def _found(self, count, heard) -> Iterator[tuple[RecognizedWord | Utterance, int]]:
        if count > self._most:
            raise RuntimeError(f"{count} events at once. Expected {self._most} at most")
        recognizer = self._recognizer
        now_ms = self._samples * 1000 // recognizer.sample_rate_hz

        def unrolled(ms):  # 32 bits are 49 days; a frame may end after the samples
            return now_ms - ((now_ms - ms + 2**31) % 2**32 - 2**31)

        for event in self._events[:count]:
            times = unrolled(event.start_ms), unrolled(event.end_ms)
            if event.word == _UTTERANCE:
                found = Utterance(*times, event.value)
            else:
                text = recognizer.labels[event.word]
                value = event.value / CONFIDENCE_STEPS
                found = RecognizedWord(text, event.word, *times, value)
            yield found, heard(event.frame)


def meets_golden(recognizer, library: ctypes.CDLL, directory: Path) -> bool:
    """Tells whether a library finds in the golden recordings what Python found.

    Args:
        recognizer: a `Recognizer` of the bundle.
        library: of `load_library`.
        directory: of the bundle.
    """
    recordings, expected = ((directory / name).read_bytes() for name in GOLDEN)
    events, plain = [], copy.copy(recognizer)
    plain.threshold = recognizer.reporting.threshold
    plain.keywords = recognizer.reporting.keywords
    for pcm in golden.read_pcm(recordings):
        stages = CompiledStages(plain, library)
        found = stages.push(pcm.astype(np.int16)) + stages.finish()
        events.append([event for event, _ in found])
    return golden.event_bytes(events, recognizer.reporting) == expected
