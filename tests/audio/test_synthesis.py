import ctypes
import itertools
import os
import resource
import sys
import threading

import numpy as np
import pytest

from keras_rnn2dnn.audio import synthesis
from keras_rnn2dnn.audio.synthesis import (
    TimedLabel,
    english_voices,
    synthesize,
    synthesize_words,
)


@pytest.fixture
def espeak():
    reason = "speech synthesis needs the extra `synth` (espeakng-loader)"
    return pytest.importorskip("espeakng_loader", reason=reason)


def part(utterance, start_ms, end_ms):
    first, last = (
        round(t * utterance.sample_rate_hz / 1000) for t in (start_ms, end_ms)
    )
    return utterance.samples[first:last]


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples.astype(np.float64))) + 1e-12)


def assert_same(one, other):
    np.testing.assert_array_equal(one.samples, other.samples)
    assert (one.words, one.phonemes) == (other.words, other.phonemes)


def test_an_utterance_has_its_words_in_order_within_its_samples(espeak):
    utterance = synthesize("nine  two\nfive, one.", sample_rate_hz=16000)
    assert [word.label for word in utterance.words] == ["nine", "two", "five", "one"]
    assert utterance.text == "nine two five, one."
    assert (utterance.voice, utterance.sample_rate_hz) == ("en-us", 16000)
    assert utterance.samples.dtype == np.float32 and utterance.samples.ndim == 1
    assert 0.1 < np.abs(utterance.samples).max() <= 1
    times = [t for word in utterance.words for t in (word.start_ms, word.end_ms)]
    assert times == sorted(times) and times[0] >= 0
    assert times[-1] <= utterance.duration_ms
    assert utterance.duration_ms == len(utterance.samples) / 16


@pytest.mark.parametrize("rate_wpm", [80, 175, 449, 450])
def test_the_words_hold_the_energy_and_the_pauses_do_not(espeak, rate_wpm):
    for voice in ["en-us", "en-gb+f2", "de+m1", "en-us+klatt4"]:
        utterance = synthesize("lama, nein. Mango, rose", voice, rate_wpm)
        assert len(utterance.words) == 4
        for word, following in itertools.pairwise(utterance.words):
            spoken = part(utterance, word.start_ms, word.end_ms)
            # The second half of the pause, where the echo of some voices has faded.
            middle_ms = (word.end_ms + following.start_ms) / 2
            pause = part(utterance, middle_ms, following.start_ms)
            assert level_db(spoken) > -35
            assert level_db(spoken) - level_db(pause) > 15


def test_the_phonemes_follow_each_other_within_their_words(espeak):
    utterance = synthesize("six, seven", sample_rate_hz=16000)
    assert [p.label for p in utterance.phonemes] == [
        *("s", "'I", "k", "s"),
        *("s", "'E", "v", "@", "n"),
    ]
    six, seven = utterance.words
    for word, phonemes in [
        (six, utterance.phonemes[:4]),
        (seven, utterance.phonemes[4:]),
    ]:
        assert word.start_ms <= phonemes[0].start_ms < word.start_ms + 60
        assert phonemes[-1].end_ms == word.end_ms
        for phoneme, following in itertools.pairwise(phonemes):
            assert phoneme.start_ms < phoneme.end_ms == following.start_ms
    # /s/ hisses above 2 kHz and the vowel does not: the boundary is where it should be.
    for hiss, vowel in [utterance.phonemes[:2], utterance.phonemes[4:6]]:
        assert share_above_2_khz(part(utterance, hiss.start_ms, hiss.end_ms)) > 0.8
        assert share_above_2_khz(part(utterance, vowel.start_ms, vowel.end_ms)) < 0.2


def share_above_2_khz(samples, rate_hz=16000):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / rate_hz) > 2000].sum() / power.sum()


def test_the_times_do_not_depend_on_the_sample_rate(espeak):
    original, low = (synthesize("one two", sample_rate_hz=r) for r in (22050, 8000))
    assert (original.words, original.phonemes) == (low.words, low.phonemes)
    assert len(low.samples) == -(-len(original.samples) * 160 // 441)
    # What espeak-ng gave, without the part above the new Nyquist frequency.
    spectrum = np.fft.rfft(original.samples)
    frequency = np.fft.rfftfreq(len(original.samples), 1 / 22050)
    band = np.fft.irfft(spectrum * (frequency < 3800), len(original.samples))
    time_low = np.arange(len(low.samples)) / 8000
    time_original = np.arange(len(original.samples)) / 22050
    expected = np.interp(time_low, time_original, band)
    assert np.corrcoef(expected, low.samples)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("in front of the house", ["in", "front", "of the", "house"]),
        ("hello - world (yes)!", ["hello", "world", "yes"]),
        ("one. two? three", ["one", "two", "three"]),
        ("twenty-five Mr. 1984 dogs", ["twenty-five", "Mr", "1984", "dogs"]),
        ("don't „quote“ 3.14", ["don't", "quote", "3.14"]),
    ],
)
def test_numbers_signs_and_contractions_keep_the_words_of_the_text(
    espeak, text, labels
):
    assert [word.label for word in synthesize(text).words] == labels


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
def test_other_languages_speak_their_words(espeak, voice, text):
    utterance = synthesize(text, voice)
    assert [word.label for word in utterance.words] == text.split()
    assert level_db(utterance.samples) > -40


def test_a_voice_is_found_by_any_of_its_codes(espeak):
    assert_same(synthesize("one", "en"), synthesize("one", "en-gb"))
    with pytest.raises(AssertionError):
        assert_same(synthesize("one", "en-gb"), synthesize("one", "en-us"))


def test_rate_and_pitch_change_the_speech(espeak):
    def pitch_hz(utterance):
        vowel = utterance.phonemes[1]
        samples = part(utterance, vowel.start_ms, vowel.end_ms)
        correlation = np.correlate(samples, samples, "full")[len(samples) - 1 :]
        correlation /= np.arange(len(samples), 0, -1)
        return 8000 / (35 + np.argmax(correlation[35:200]))

    slow, fast = synthesize("mama", rate_wpm=100), synthesize("mama", rate_wpm=300)
    assert slow.duration_ms > 2 * fast.duration_ms
    low, high = (synthesize("mama", rate_wpm=100, pitch=pitch) for pitch in (10, 90))
    assert pitch_hz(high) > 1.8 * pitch_hz(low)


VOICES = ["en-us", "en-gb+f2", "en-us+Reed", "en+caleb", "en+whisper", "en+klatt2"]


def test_the_same_arguments_give_the_same_samples_whatever_came_before(espeak):
    first = [synthesize("one two seven", voice) for voice in VOICES]
    synthesize("Guten Tag", "de+m3", rate_wpm=300, pitch=90)
    for voice, before in reversed(list(zip(VOICES, first, strict=True))):
        assert_same(synthesize("one two seven", voice), before)
        assert_same(synthesize("one two seven", voice), before)


def test_threads_hear_what_a_single_one_hears(espeak):
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
def test_another_user_of_the_library_in_the_process_is_left_alone(espeak):
    other = ctypes.CDLL(espeak.get_library_path())
    rate, pitch = 1, 3
    assert other.espeak_Initialize(2, 0, espeak.get_data_path().encode(), 0x8000) > 0
    other.espeak_SetParameter(rate, 222, 0)
    before = synthesize("one")
    other.espeak_SetParameter(pitch, 99, 0)
    assert_same(synthesize("one"), before)
    assert other.espeak_GetParameter(rate, 1) == 222
    assert other.espeak_GetParameter(pitch, 1) == 99
    other.espeak_Terminate()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_error_while_espeak_speaks_arrives_and_does_no_harm(
    espeak, monkeypatch, error
):
    expected = synthesize("one")

    def fail(*_):
        raise error("from the callback")

    with monkeypatch.context() as patch:
        patch.setattr(synthesis.ctypes, "string_at", fail)
        with pytest.raises(error, match="from the callback"):
            synthesize("one")
    assert_same(synthesize("one"), expected)


def test_unreadable_data_is_an_error(espeak, monkeypatch, tmp_path):
    synthesize("one")
    with monkeypatch.context() as patch:
        patch.setattr(synthesis, "_data_path", lambda: tmp_path)
        with pytest.raises(RuntimeError, match="espeak-ng cannot read its data in"):
            synthesize("one")
    assert synthesize("one").words[0].label == "one"


def test_words_are_spoken_by_every_voice_and_trimmed(espeak):
    words, voices = ["one", "two", "six"], ["en-us", "en-gb+f2"]
    utterances = synthesize_words(words, voices, repetitions=3, seed=1)
    assert [(u.voice, u.text) for u in utterances] == [
        (voice, word) for voice in voices for word in words for _ in range(3)
    ]
    for utterance in utterances:
        (word,) = utterance.words
        assert word.label == utterance.text
        assert 0 <= word.start_ms < 5 and word.end_ms <= utterance.duration_ms
        peak = level_db(part(utterance, 0, utterance.duration_ms))
        for edge in (utterance.samples[:40], utterance.samples[-40:]):
            assert level_db(edge) > peak - 55
        assert utterance.phonemes[0].start_ms >= 0
        assert utterance.phonemes[-1].end_ms == word.end_ms
    assert len({len(utterance.samples) for utterance in utterances}) > 9


def test_trimming_takes_nothing_but_silence(espeak):
    (trimmed,) = synthesize_words(["tea"], ["en-us"], 1, seed=0)
    rng = np.random.default_rng(0)
    rate_wpm, pitch = rng.integers(130, 221), rng.integers(30, 71)
    whole = synthesize("tea", "en-us", rate_wpm, pitch)
    first = next(
        start
        for start in range(0, len(whole.samples), 40)
        if np.abs(whole.samples[start : start + 40]).max() > 0.001
    )
    assert first > 0
    kept = whole.samples[first : first + len(trimmed.samples)]
    np.testing.assert_array_equal(trimmed.samples, kept)
    rest = np.delete(whole.samples, np.s_[first : first + len(kept)])
    assert np.sum(np.square(rest)) < 1e-4 * np.sum(np.square(kept))
    shift_ms = first / 8
    assert trimmed.words[0].end_ms == pytest.approx(whole.words[0].end_ms - shift_ms)


def test_words_follow_their_seed(espeak):
    arguments = (["one", "two"], ["en-us+f3"], 2)
    one, same, other = (synthesize_words(*arguments, seed=s) for s in (5, 5, 6))
    for utterance, again in zip(one, same, strict=True):
        assert_same(utterance, again)
    lengths = [[len(u.samples) for u in utterances] for utterances in (one, other)]
    assert lengths[0] != lengths[1] and lengths[0][0] != lengths[0][1]


def test_english_voices_are_distinct_and_follow_their_seed(espeak):
    voices = english_voices(120, seed=3)
    assert len(set(voices)) == 120
    assert voices == english_voices(120, seed=3) and voices[:7] == english_voices(7, 3)
    assert voices != english_voices(120, seed=4)
    accents, variants = zip(*(voice.split("+") for voice in voices), strict=True)
    assert len(set(variants[:80])) == 80
    assert {"en-us", "en-gb", "en-gb-scotland"} <= set(accents[:20])
    assert all(accent.startswith("en-") for accent in accents)
    assert "en-shaw" not in accents


def test_english_voices_sound_different_and_do_not_whisper(espeak):
    spoken = {voice: synthesize("seven", voice) for voice in english_voices(30)}
    assert len({u.samples.tobytes() for u in spoken.values()}) == 30
    for voice, utterance in spoken.items():
        assert level_db(utterance.samples) > -45, voice
    everyone = english_voices(700)
    assert {"f3", "m1", "klatt4"} <= {voice.split("+")[1] for voice in everyone}
    for whisper in ("whisper", "whisperf", "caleb"):
        assert not any(voice.endswith(f"+{whisper}") for voice in everyone)


def test_a_timed_label_cannot_be_changed():
    with pytest.raises(AttributeError):
        TimedLabel("one", 0.0, 1.0).label = "two"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            dict(text=" "),
            "Invalid value for `text`. Expected text to speak, not empty. "
            "Received: text=' '",
        ),
        (dict(text=7), "Expected text to speak, not empty. Received: text=7"),
        (
            dict(text="one\x01 two"),
            "Expected text without control characters. Received: text='one\\x01 two'",
        ),
        (
            dict(text="..."),
            "Expected words that 'en-us' can speak. Received: text='...'",
        ),
        (
            dict(voice="xx"),
            "Invalid value for `voice`. Expected a language of espeak-ng, alone or "
            "with a variant, such as 'en-us', 'en-gb+f3' or 'de+m1'. Received: "
            "voice='xx'. english_voices() names more.",
        ),
        (dict(voice="en-us+nobody"), "Received: voice='en-us+nobody'"),
        (dict(voice="en-us+fast"), "Received: voice='en-us+fast'"),
        (dict(voice="en-us+"), "Received: voice='en-us+'"),
        (dict(voice=None), "Received: voice=None"),
        (
            dict(rate_wpm=79),
            "Invalid value for `rate_wpm`. Expected an integer from 80 to 450. "
            "Received: rate_wpm=79",
        ),
        (dict(rate_wpm=451), "Received: rate_wpm=451"),
        (dict(rate_wpm=175.0), "Received: rate_wpm=175.0"),
        (
            dict(pitch=101),
            "`pitch`. Expected an integer from 0 to 100. Received: pitch",
        ),
        (dict(pitch=-1), "Received: pitch=-1"),
        (dict(sample_rate_hz=0), "`sample_rate_hz`. Expected an integer from 1 to"),
    ],
)
def test_bad_arguments_of_synthesize_say_what_was_expected(espeak, arguments, text):
    with pytest.raises(ValueError) as error:
        synthesize(**{"text": "one", **arguments})
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            dict(words=[]),
            "`words`. Expected a list of at least one. Received: words=[]",
        ),
        (dict(words="one"), "Received: words='one'"),
        (dict(words=["one", ""]), "`words`. Expected text to speak, not empty"),
        (dict(voices=["en-us", "xx"]), "Received: voice='xx'"),
        (dict(voices="en-us"), "`voices`. Expected a list of at least one"),
        (dict(repetitions=0), "`repetitions`. Expected an integer from 1 to"),
    ],
)
def test_bad_arguments_of_synthesize_words_stop_before_any_work(
    espeak, monkeypatch, arguments, text
):
    monkeypatch.setattr(synthesis, "_speak", None)
    valid = dict(words=["one"], voices=["en-us"], repetitions=1, seed=0)
    with pytest.raises(ValueError) as error:
        synthesize_words(**{**valid, **arguments})
    assert text in str(error.value)


@pytest.mark.parametrize("num_voices", [0, 5000])
def test_a_number_of_voices_out_of_range_is_an_error(espeak, num_voices):
    with pytest.raises(
        ValueError, match=r"`num_voices`. Expected an integer from 1 to"
    ):
        english_voices(num_voices)


@pytest.mark.parametrize(
    "call",
    [
        lambda: synthesize("one"),
        lambda: synthesize_words(["one"], ["en-us"], 1, 0),
        lambda: english_voices(1),
    ],
)
def test_without_espeak_the_error_names_the_pip_line(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError) as error:
        call()
    assert str(error.value) == (
        "Speech synthesis needs the package `espeakng_loader`. Install it with: "
        "pip install 'keras-rnn2dnn[synth]'"
    )


@pytest.mark.slow
def test_thousands_of_calls_need_no_more_memory(espeak):
    def speak(number):
        for index in range(number):
            synthesize("one", VOICES[index % len(VOICES)])

    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    speak(300)
    before = peak_mb()
    speak(3000)
    assert peak_mb() - before < 20
