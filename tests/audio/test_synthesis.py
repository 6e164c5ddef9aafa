import itertools
import sys

import numpy as np
import pytest

from keras_rnn2dnn.audio import espeak
from keras_rnn2dnn.audio.synthesis import (
    TimedLabel,
    english_voices,
    synthesize,
    synthesize_words,
)


def part(utterance, start_ms, end_ms):
    first, last = (
        round(t * utterance.sample_rate_hz / 1000) for t in (start_ms, end_ms)
    )
    return utterance.samples[first:last]


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples.astype(np.float64))) + 1e-12)


def test_an_utterance_has_its_words_in_order_within_its_samples(espeakng_loader):
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
def test_the_words_hold_the_energy_and_the_pauses_do_not(espeakng_loader, rate_wpm):
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


def test_the_phonemes_follow_each_other_within_their_words(espeakng_loader):
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


def test_the_times_do_not_depend_on_the_sample_rate(espeakng_loader):
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
    espeakng_loader, text, labels
):
    assert [word.label for word in synthesize(text).words] == labels


def test_rate_and_pitch_change_the_speech(espeakng_loader):
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


def test_words_are_spoken_by_every_voice_and_trimmed(espeakng_loader):
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


def test_trimming_takes_nothing_but_silence(espeakng_loader):
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


def test_words_follow_their_seed(espeakng_loader):
    arguments = (["one", "two"], ["en-us+f3"], 2)
    one, same, other = (synthesize_words(*arguments, seed=s) for s in (5, 5, 6))
    for utterance, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(utterance.samples, again.samples)
        assert (utterance.words, utterance.phonemes) == (again.words, again.phonemes)
    lengths = [[len(u.samples) for u in utterances] for utterances in (one, other)]
    assert lengths[0] != lengths[1] and lengths[0][0] != lengths[0][1]


def test_english_voices_are_distinct_and_follow_their_seed(espeakng_loader):
    voices = english_voices(120, seed=3)
    assert len(set(voices)) == 120
    assert voices == english_voices(120, seed=3) and voices[:7] == english_voices(7, 3)
    assert voices != english_voices(120, seed=4)
    accents, variants = zip(*(voice.split("+") for voice in voices), strict=True)
    assert len(set(variants[:80])) == 80
    assert {"en-us", "en-gb", "en-gb-scotland"} <= set(accents[:20])
    assert all(accent.startswith("en-") for accent in accents)
    assert "en-shaw" not in accents


def test_english_voices_sound_different_and_do_not_whisper(espeakng_loader):
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
def test_bad_arguments_of_synthesize_say_what_was_expected(
    espeakng_loader, arguments, text
):
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
    espeakng_loader, monkeypatch, arguments, text
):
    monkeypatch.setattr(espeak, "speak", None)
    valid = dict(words=["one"], voices=["en-us"], repetitions=1, seed=0)
    with pytest.raises(ValueError) as error:
        synthesize_words(**{**valid, **arguments})
    assert text in str(error.value)


@pytest.mark.parametrize("num_voices", [0, 5000])
def test_a_number_of_voices_out_of_range_is_an_error(espeakng_loader, num_voices):
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
        "pip install espeakng-loader"
    )
