"""Speech of other words than those of the demo, in several languages, by espeak-ng."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.synthesis import synthesize

# Common words, of each language a third for each use. No numbers: those of other
# languages sound like English ones.
_WORDS = {
    "en": "window market yellow after mother paper little garden morning people water "
    "again table under music finger story answer maybe listen kitchen summer happy "
    "follow",
    "de": "Fenster gestern Wasser immer Garten schnell Mutter vielleicht Arbeit sagen "
    "Straße Abend",
    "fr": "fenêtre toujours maison demain jardin parler matin petit voiture peut-être "
    "chanson soleil",
    "es": "ventana mañana trabajo siempre pequeño hermano camino ahora escuela ciudad "
    "verano comida",
    "it": "finestra domani lavoro sempre piccolo fratello strada adesso scuola mattina "
    "estate cucina",
    "nl": "venster morgen werken altijd klein broer straat misschien school avond "
    "zomer keuken",
    "pl": "okno jutro praca zawsze mały brat ulica może szkoła wieczór lato kuchnia",
    "sv": "fönster arbete alltid liten broder gata kanske skola kväll sommar köket "
    "barnen",
}
_USES = ("train", "development", "test")
_SPOKEN = (3, 6)  # words in a recording
_ENGLISH = 0.5


def other_speech(
    vocabulary: Sequence[str],
    voices: Sequence[str],
    count: int,
    seed: int,
    use: str,
) -> list[Recording]:
    """Speaks words that are none of a vocabulary, half of them in other languages.

    Args:
        vocabulary: words that are left out.
        voices: English ones, such as `"en-gb+f3"`; of other languages speak the same
            variants.
        count: recordings, of a few seconds each.
        seed: of everything random.
        use: `"train"`, `"development"` or `"test"`: each has words of its own.

    Returns:
        Recordings without words, at 8 kHz.

    Raises:
        ImportError: if espeak-ng is missing; holds the pip line.
    """
    part, known = _USES.index(use), {word.lower() for word in vocabulary}
    words = {
        language: [w for w in text.split()[part::3] if w.lower() not in known]
        for language, text in _WORDS.items()
    }
    foreign = [language for language in words if language != "en"]
    rng, recordings = np.random.default_rng((seed, part)), []
    for number in range(count):
        voice = voices[int(rng.integers(len(voices)))]
        language = "en"
        if rng.random() > _ENGLISH:
            language = foreign[int(rng.integers(len(foreign)))]
            voice = f"{language}+{voice.partition('+')[2]}"
        chosen = rng.choice(words[language], int(rng.integers(*_SPOKEN, endpoint=True)))
        rate, pitch = int(rng.integers(130, 221)), int(rng.integers(30, 71))
        said = synthesize(" ".join(chosen), voice, rate, pitch)
        given = said.samples, said.sample_rate_hz
        recordings.append(Recording(*given, (), voice, number))
    return recordings
