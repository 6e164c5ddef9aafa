"""The library espeak-ng: its voices, and speech with the library's own events.

espeak-ng is under the GPL-3. It is an optional dependency (the package
`espeakng-loader`, which holds the library and its data) and never part of this one.
"""

import ctypes
import functools
import itertools
import os
import re
import threading
from pathlib import Path
from types import ModuleType

import numpy as np

from keras_rnn2dnn.util.errors import import_extra, invalid

# Values of espeak-ng's speak_lib.h; the events that `speak` returns.
WORD, CLAUSE_END, PHONEME = 1, 5, 7
_END_OF_LIST = 0
_SYNCHRONOUS, _PHONEME_EVENTS, _DONT_EXIT = 2, 0x0001, 0x8000
_RATE, _PITCH, _UTF8, _FROM_CHARACTER = 1, 3, 1, 1

_LOCK = threading.Lock()


def loader() -> ModuleType:
    """Returns the package `espeakng_loader`; raises ImportError with the pip line."""
    return import_extra("espeakng_loader", "synth", "Speech synthesis")


def _data_path():
    return Path(loader().get_data_path())


def check_voice(voice: str) -> None:
    """Raises ValueError unless it is a language, alone or with a variant."""
    language, plus, variant = str(voice).partition("+")
    known = language.lower() in _languages() and (not plus or variant in variants())
    if not known:
        expected = (
            "a language of espeak-ng, alone or with a variant, such as 'en-us', "
            "'en-gb+f3' or 'de+m1'"
        )
        hint = "english_voices() names more."
        raise ValueError(invalid("voice", expected, voice, hint))


def accents() -> list[str]:
    """Lists the codes of English, such as `"en-gb-scotland"`."""
    english = (_data_path() / "lang").glob("*/[eE][nN]*")
    codes = [_language_lines(path)[0][0] for path in english]
    return [code for code in codes if code == "en" or code.startswith("en-")]


@functools.cache
def variants() -> tuple[str, ...]:
    """Lists the voice variants, such as `"f3"`, in alphabetical order."""
    # The variant `fast` is a setting of the speed and disturbs the times of events.
    names = {path.name for path in (_data_path() / "voices" / "!v").iterdir()}
    return tuple(sorted(names - {"fast"}))


def is_voiced(variant: str) -> bool:
    """Whether more than a quarter of the voice is kept; a whisper keeps less."""
    text = (_data_path() / "voices" / "!v" / variant).read_text("utf-8")
    voicing_percent = re.search(r"^voicing\s+(\d+)", text, re.M)
    return voicing_percent is None or int(voicing_percent[1]) > 25


@functools.cache
def _languages():
    """Maps each language code to the name of its file, which espeak-ng finds fastest.

    espeak-ng itself does not find a voice by all the codes that its files list.
    """
    ranked = {}
    for path in sorted((_data_path() / "lang").glob("*/*")):
        name = f"{path.parent.name}/{path.name}"
        ranked.setdefault(path.name.lower(), []).append((0, name))
        for code, priority in _language_lines(path):
            ranked.setdefault(code, []).append((priority, name))
    return {code: min(names)[1] for code, names in ranked.items()}


def _file_name(voice):
    language, plus, variant = voice.partition("+")
    return _languages()[language.lower()] + plus + variant


def _language_lines(path):
    lines = re.findall(r"^language\s+(\S+)\s*(\d*)", path.read_text("utf-8"), re.M)
    return [(code.lower(), int(priority or 5)) for code, priority in lines]


def speak(
    text: str, voice: str, rate_wpm: int, pitch: int
) -> tuple[np.ndarray, int, list[tuple[int, int, int, str]]]:
    """Speaks a text, one caller at a time.

    The library carries the phase of its pitch flutter and more from one utterance to
    the next, and no function resets them. Loading it anew makes an utterance depend
    on its arguments alone, and takes 1 to 3 ms.

    Args:
        text: what to speak.
        voice: a voice that passes `check_voice`.
        rate_wpm: words per minute, 80 to 449.
        pitch: 0 to 100.

    Returns:
        16-bit samples `(samples,)`, their rate in Hz, and the events: type, sample,
        position in the text (from 1) and phoneme name.

    Raises:
        RuntimeError: if the library cannot read its data or voice, or fails.
    """
    with _LOCK:
        return _speak(text, voice, rate_wpm, pitch)


def _speak(text, voice, rate_wpm, pitch):
    process = ctypes.CDLL(None)
    library = ctypes.CDLL(_library_path())
    try:
        data_path = str(_data_path())
        options = _PHONEME_EVENTS | _DONT_EXIT
        rate_hz = library.espeak_Initialize(
            _SYNCHRONOUS, 0, os.fsencode(data_path), options
        )
        if rate_hz <= 0:
            raise RuntimeError(f"espeak-ng cannot read its data in {data_path!r}")
        chunks, events, errors = [], [], []
        callback = _collector(chunks, events, errors)
        library.espeak_SetSynthCallback(callback)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        process.srand(1)  # the breath of some voices draws from the C library
        if library.espeak_SetVoiceByName(_file_name(voice).encode()) != 0:
            raise RuntimeError(f"espeak-ng cannot load the voice {voice!r}")
        library.espeak_SetParameter(_RATE, rate_wpm, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        encoded = text.encode()
        size = ctypes.c_size_t(len(encoded) + 1)
        status = library.espeak_Synth(
            encoded, size, 0, _FROM_CHARACTER, 0, _UTF8, None, None
        )
    finally:
        library.espeak_Terminate()  # ends the library's thread
        process.dlclose(ctypes.c_void_p(library._handle))
    if errors:
        raise errors[0]
    if status != 0:
        raise RuntimeError(f"espeak-ng failed with status {status} on {text!r}")
    return np.frombuffer(b"".join(chunks), np.int16), rate_hz, events


def _collector(chunks, events, errors):
    def collect(pcm, num_samples, event):
        try:
            if pcm and num_samples > 0:
                chunks.append(ctypes.string_at(pcm, 2 * num_samples))
            for index in itertools.count():
                kind, value = event[index].type, event[index]
                if kind == _END_OF_LIST:
                    return 0
                name = value.id.string if kind == PHONEME else b""
                name = name.decode("utf-8", "replace")
                events.append((kind, value.sample, value.text_position, name))
        except BaseException as error:  # such as Ctrl-C: it cannot pass through C
            errors.append(error)
            return 1

    return _Callback(collect)


@functools.cache
def _library_path():
    # A copy in memory is a library of our own, even if another package of this process
    # speaks with the same file: unloading it below is sure, and harms nobody.
    path = loader().get_library_path()
    if not hasattr(os, "memfd_create"):
        return path
    descriptor = os.memfd_create("espeak-ng")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(Path(path).read_bytes())
    return f"/proc/self/fd/{descriptor}"


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
