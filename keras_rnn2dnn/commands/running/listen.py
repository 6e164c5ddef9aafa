"""`rnn2dnn listen`: the words that a microphone hears."""

import argparse
import queue
import signal
import sys
import threading
from collections.abc import Iterator

import numpy as np

from keras_rnn2dnn.commands.running.transcribe import follow, summary
from keras_rnn2dnn.recognition.recognizer import Recognizer
from keras_rnn2dnn.util.errors import import_extra

_BLOCKS_A_SECOND = 25  # each costs numpy the same, however short it is


def run(options: argparse.Namespace) -> None:
    """Prints what a microphone hears."""
    sounddevice = _sounddevice()
    recognizer = Recognizer.load(options.bundle, options.threshold, options.engine)
    device = options.device
    device = int(device) if device and device.isdigit() else device
    pieces = _microphone(sounddevice, recognizer.sample_rate_hz, device)
    transcript = follow(recognizer, pieces, ("", options.times), by_utterance=True)
    sys.stderr.write(f"{summary(recognizer, [transcript])}\n")


def _sounddevice():
    try:
        return import_extra("sounddevice", "listen", "Listening to a microphone")
    except OSError as error:  # its shared library is not on this machine
        raise OSError(
            f"Listening to a microphone needs PortAudio: {error}. Install it, on "
            "Debian with: apt install libportaudio2"
        ) from error


def _microphone(sounddevice, sample_rate_hz, device) -> Iterator[np.ndarray]:
    """Yields what the microphone hears, until Ctrl-C or until it is unplugged."""
    pieces: queue.SimpleQueue = queue.SimpleQueue()
    stopped = threading.Event()

    def callback(samples, count, times, status):
        if status:
            sys.stderr.write(f"{status}\n")  # samples were lost
        pieces.put(samples[:, 0].copy())

    def end():
        pieces.put(None)

    def stop(*_):
        stopped.set()  # what is still in the queue is left out
        pieces.put(None)

    # A plain KeyboardInterrupt would cut the recognizer off in the middle of a frame.
    previous = signal.signal(signal.SIGINT, stop)
    try:
        with sounddevice.InputStream(
            samplerate=sample_rate_hz,
            blocksize=sample_rate_hz // _BLOCKS_A_SECOND,
            channels=1,
            dtype="int16",
            device=device,
            callback=callback,
            finished_callback=end,
        ):
            sys.stderr.write(f"Listening at {sample_rate_hz} Hz, until Ctrl-C\n")
            while (pcm := pieces.get()) is not None and not stopped.is_set():
                yield pcm
    except sounddevice.PortAudioError as error:
        raise OSError(
            f"Cannot listen at {sample_rate_hz} Hz: {error}. Expected a microphone of "
            "that rate: see `python -m sounddevice`, and choose with --device"
        ) from error
    finally:
        signal.signal(signal.SIGINT, previous)
