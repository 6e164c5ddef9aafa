"""What all examples share, by function: ring, level, hints, half the rate."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers import spotters
from helpers.half_band import halved

from keras_rnn2dnn.deploy import load_bundle

RATE, RING = 8000, 4096  # samples
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
CLOCK = ctypes.CFUNCTYPE(ctypes.c_uint32)


class Platform(ctypes.Structure):
    _fields_ = (("write", WRITE), ("micros", CLOCK), ("is_live", ctypes.c_int))


class Listener:
    """The core of the examples, with a clock of the test."""

    def __init__(self, library, is_live=1):
        self.library, self.us, self._said = library, 0, []
        self.step = 0  # of the clock, whenever it is read
        self._kept = Platform(
            WRITE(lambda text: self._said.append(text.decode())),
            CLOCK(self._micros),
            is_live,
        )
        library.listen_init(ctypes.byref(self._kept))

    def _micros(self):
        self.us += self.step
        return self.us % 2**32

    def samples(self, pcm):
        """Gives samples, as the interrupt does; returns how many found a place."""
        pcm = np.ascontiguousarray(pcm, np.int16)
        return self.library.listen_samples(
            pcm.ctypes.data_as(ctypes.c_void_p), len(pcm)
        )

    def hear(self, pcm, speed=1.0):
        """Hears samples as they come in time, a hundredth of a second at once."""
        for start in range(0, len(pcm), RATE // 100):
            self.samples(pcm[start : start + RATE // 100])
            self.us += int(10_000 / speed)
            while self.library.listen_poll():
                pass

    def command(self, text):
        """Sends a line; returns what was said since the last one."""
        for character in text:
            self.library.listen_character(ctypes.c_char(character.encode()))
        return self.said()

    def said(self):
        """Returns what was written since it was last asked."""
        text = "".join(self._said)
        self._said.clear()
        return text


@pytest.fixture(scope="module")
def library(project_of, tmp_path_factory):
    """The core, and the C code of a bundle, as a library of this host."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt install build-essential")
    out = project_of("spotter", "cmake")  # hears nothing in noise
    path = tmp_path_factory.mktemp("core") / "listen.so"
    sources = [*(out / "src").glob("*.c"), *(out / "examples/listen").glob("listen*.c")]
    line = ["cc", "-shared", "-fPIC", "-O1", "-std=c99", "-DLISTEN_HALVINGS=0"]
    line += [f"-I{out / 'src'}", *map(str, sources), "-o", str(path)]
    subprocess.run(line, check=True)
    loaded = ctypes.CDLL(str(path))
    loaded.listen_samples.restype = ctypes.c_size_t
    loaded.listen_samples.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    loaded.listen_halve.restype = ctypes.c_size_t
    loaded.listen_verify.restype = ctypes.c_uint32
    return loaded


def noise(seconds=9.5, level=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, int(seconds * RATE)).astype(np.int16)


def speech():
    """A soft tone of changing loudness, which is smooth as speech is."""
    t = np.arange(int(9.5 * RATE)) / RATE
    return 3000 * np.sin(2 * np.pi * 220 * t) * np.sin(2 * np.pi * t) ** 2


FAULTS = {
    "silent channel: all samples are 0;": np.zeros(76_000),
    "silent channel: all samples are -1;": np.full(76_000, -1),
    "DC offset: the mean of the samples is 39": speech() + 4000,
    "every other sample is 0": np.where(np.arange(76_000) % 2, speech(), 0),
    "wrong byte order": speech().astype("<i2").byteswap(),
    "clipping: 37.": np.clip(30 * speech(), -32768, 32767),
    "too soft: more gain": noise(level=5),
    "nothing wrong with the samples": speech(),
}


@pytest.mark.parametrize("hint", FAULTS)
def test_what_is_wrong_is_told(hint, library):
    listener = Listener(library)
    listener.hear(FAULTS[hint])
    said = listener.command("status\n").splitlines()[-1]
    assert re.match(r"status: level -?\d+\.\d dBFS, load 0 %; ", said)
    assert said.partition("; ")[2].startswith(hint)


def test_another_rate_than_is_meant_is_told(library):
    listener = Listener(library)
    listener.hear(speech(), speed=1.25)
    said = listener.command("status\n").splitlines()[-1]
    found = re.search(r"wrong rate: (\d+) samples a second come, 8000 are meant", said)
    assert int(found[1]) == pytest.approx(10_000, rel=0.002)
    recording = Listener(library, is_live=0)  # which has no rate of its own
    recording.hear(speech(), speed=1.25)
    assert "wrong rate" not in recording.command("status\n")


def test_no_samples_at_all_are_told(library):
    listener = Listener(library)
    listener.us += 11_000_000
    assert listener.library.listen_poll() == 0
    assert "nothing heard: " in (said := listener.said())
    assert "no samples come: does the microphone run" in said


def test_nothing_wrong_is_said_once_and_a_fault_again(library):
    listener = Listener(library)
    listener.hear(noise(35))
    assert listener.said().count("nothing heard: ") == 1
    silent = Listener(library)
    silent.hear(np.zeros(35 * RATE))
    assert silent.said().count("silent channel") == 3
    quiet = Listener(library)  # a room in which nobody speaks
    quiet.hear(noise(35, level=5))
    assert quiet.said().count("too soft") == 1


def test_words_are_printed_with_level_and_load(library, spotter):
    listener = Listener(library)
    listener.step = 1000  # a reading before and one after 10 ms of samples
    listener.hear(spotters.stream())
    said = listener.said()
    pattern = r"heard (\w+): [\d.]+ to [\d.]+ s, confidence (-?[\d.]+), level -\d+\.\d "
    pattern += r"dBFS, load (\d+) %\n"
    found = re.findall(pattern, said)
    (words,) = load_bundle(spotter).recognizer.recognize([spotters.stream()])
    assert [word for word, _, _ in found] == [word.text for word in words]
    assert {"low", "high"} == {word.text for word in words}
    assert all(9 <= int(load) <= 11 for _, _, load in found)
    assert re.sub(pattern, "", said) == ""


def test_samples_without_a_place_are_counted(library):
    listener = Listener(library)
    assert listener.samples(noise(5000 / RATE)) == RING
    assert listener.samples([1, 2]) == 0
    assert f", {5000 - RING + 2} samples lost; " in listener.command("status\r\n")
    while listener.library.listen_poll():
        pass
    assert listener.samples([1, 2]) == 2
    listener.library.listen_lost(ctypes.c_uint32(98))
    assert f", {5000 - RING + 100} samples lost" in listener.command("status\n")


@pytest.mark.parametrize("peak", [32767, 16384, 1000, 33, 1])
@pytest.mark.parametrize("offset", [0, 500])
def test_the_level_is_that_of_numpy(peak, offset, library):
    t = np.arange(RATE)
    pcm = np.clip(np.rint(peak * np.sin(0.3 * t)) + offset, -32768, 32767)
    listener = Listener(library)
    listener.hear(pcm)
    level = float(re.search(r"level (-?\d+\.\d)", listener.command("status\n"))[1])
    mean = int(pcm.mean())
    power = max(1, int((pcm**2).mean()) - mean**2)
    assert level == pytest.approx(10 * np.log10(power / 2**30), abs=0.11)


def test_the_golden_recordings_are_met_and_listening_goes_on(library, spotter):
    listener = Listener(library)
    listener.samples(noise(0.1))
    assert listener.library.listen_verify() == 0
    assert re.search(r"\d recordings?, [1-9] words?, 0 of \d+ bits", listener.said())
    assert listener.library.listen_poll() == 0  # what came meanwhile is gone
    listener.hear(spotters.stream())
    bundle = load_bundle(spotter)
    (words,) = bundle.recognizer.recognize([spotters.stream()])
    heard = re.findall(r"heard (\w+):", listener.said())
    assert heard == [word.text for word in words]


def test_start_begins_anew_and_forgets(library, spotter):
    listener = Listener(library)
    listener.hear(noise(1.3))
    listener.samples(noise(0.1))
    listener.command("start\n")
    assert listener.library.listen_poll() == 0  # what was in the ring is gone
    listener.hear(spotters.stream())
    bundle = load_bundle(spotter)
    (words,) = bundle.recognizer.recognize([spotters.stream()])
    heard = re.findall(r"heard (\w+): ([\d.]+) to", listener.said())
    assert heard == [(word.text, f"{word.start_ms / 1000:.3f}") for word in words]


def test_commands_are_lines(library):
    listener = Listener(library)
    assert listener.command("help") == ""
    assert listener.command("\n") == "commands: verify, status, start, help\n"
    assert listener.command("\r\n") == ""
    assert listener.command("status and more\n").startswith("commands:")
    assert listener.command(f"{'status' * 40}\n").startswith("commands:")
    assert listener.command("status\r").startswith("status: ")


def test_half_the_rate_is_that_of_a_low_pass(library):
    state = ctypes.create_string_buffer(256)
    sweep = 30_000 * np.sin(np.cumsum(np.linspace(0, np.pi, 20_000)))
    pcm = sweep.astype(np.int16)
    found = []
    for start in range(0, len(pcm), 77):  # chunks of any size
        part = pcm[start : start + 77].copy()
        data = part.ctypes.data_as(ctypes.c_void_p)
        count = library.listen_halve(state, data, ctypes.c_size_t(len(part)))
        found.append(part[:count])
    found = np.concatenate(found)
    assert np.array_equal(found, halved(pcm))
    low, high = found[500:3900], found[6100:9900]  # to 0.39, from 0.61 of the band on
    assert np.abs(low).max() == pytest.approx(30_000, rel=0.02)
    assert np.abs(high).max() < 30_000 / 100


def test_numbers_are_written_without_the_c_library(library):
    listener = Listener(library)
    for number, places in ((1234, 2), (-5, 1), (0, 0), (7, 3), (-(2**63), 0)):
        library.listen_number(ctypes.c_int64(number), ctypes.c_uint(places))
        library.listen_text(b" ")
    assert listener.said() == "12.34 -0.5 0 0.007 -9223372036854775808 "
