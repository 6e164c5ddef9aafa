import ctypes
import os
import resource
import threading

import numpy as np
import pytest

from keras_rnn2dnn.audio import espeak
from keras_rnn2dnn.audio.synthesis import synthesize

pytestmark = pytest.mark.usefixtures("espeakng_loader")


def assert_same(one, other):
    np.testing.assert_array_equal(one.samples, other.samples)
    assert (one.words, one.phonemes) == (other.words, other.phonemes)


def test_a_voice_is_found_by_any_of_its_codes():
    assert_same(synthesize("one", "en"), synthesize("one", "en-gb"))
    with pytest.raises(AssertionError):
        assert_same(synthesize("one", "en-gb"), synthesize("one", "en-us"))


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("de", "ja nein größer"),
        ("fr-fr", "l'homme n'est pas"),
        ("pt-br", "um dois três"),
        ("hi", "नमस्ते दुनिया"),
        ("ru", "привет мир"),
        ("cmn", "你好 世界"),
        ("EN-GB", "one two"),
        ("en-us+Mr serious", "one two"),
    ],
)
def test_other_languages_speak_their_words(voice, text):
    utterance = synthesize(text, voice)
    assert [word.label for word in utterance.words] == text.split()
    assert np.sqrt(np.mean(np.square(utterance.samples))) > 0.01


VOICES = ["en-us", "en-gb+f2", "en-us+Reed", "en+caleb", "en+whisper", "en+klatt2"]


def test_the_same_arguments_give_the_same_samples_whatever_came_before():
    first = [synthesize("one two seven", voice) for voice in VOICES]
    synthesize("Guten Tag", "de+m3", rate_wpm=300, pitch=90)
    for voice, before in reversed(list(zip(VOICES, first, strict=True))):
        assert_same(synthesize("one two seven", voice), before)
        assert_same(synthesize("one two seven", voice), before)


def test_threads_hear_what_a_single_one_hears():
    expected = {voice: synthesize("one two", voice) for voice in VOICES}
    heard = []

    def speak(voice):
        heard.extend((voice, synthesize("one two", voice)) for _ in range(5))

    threads = [threading.Thread(target=speak, args=(voice,)) for voice in VOICES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 5 * len(VOICES)
    for voice, utterance in heard:
        assert_same(utterance, expected[voice])


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs a copy in memory")
def test_another_user_of_the_library_in_the_process_is_left_alone(espeakng_loader):
    other = ctypes.CDLL(espeakng_loader.get_library_path())
    data_path = espeakng_loader.get_data_path().encode()
    rate, pitch = 1, 3
    assert other.espeak_Initialize(2, 0, data_path, 0x8000) > 0
    other.espeak_SetParameter(rate, 222, 0)
    before = synthesize("one")
    other.espeak_SetParameter(pitch, 99, 0)
    assert_same(synthesize("one"), before)
    assert other.espeak_GetParameter(rate, 1) == 222
    assert other.espeak_GetParameter(pitch, 1) == 99
    other.espeak_Terminate()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_error_while_espeak_speaks_arrives_and_does_no_harm(monkeypatch, error):
    expected = synthesize("one")

    def fail(*_):
        raise error("from the callback")

    with monkeypatch.context() as patch:
        patch.setattr(espeak.ctypes, "string_at", fail)
        with pytest.raises(error, match="from the callback"):
            synthesize("one")
    assert_same(synthesize("one"), expected)


def test_unreadable_data_is_an_error(monkeypatch, tmp_path):
    synthesize("one")
    with monkeypatch.context() as patch:
        patch.setattr(espeak, "_data_path", lambda: tmp_path)
        with pytest.raises(RuntimeError, match="espeak-ng cannot read its data in"):
            synthesize("one")
    assert synthesize("one").words[0].label == "one"


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_many_calls_need_no_more_memory():
    def speak(number):
        for index in range(number):
            synthesize("one", VOICES[index % len(VOICES)])

    def resident_mb():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    speak(60)
    before = resident_mb()
    speak(400)
    assert resident_mb() - before < 2.5
