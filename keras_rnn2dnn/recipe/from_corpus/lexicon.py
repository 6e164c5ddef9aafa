"""How words are spoken: a lexicon of phones, and the states of the words."""

import re
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora.manifests import read_lines
from keras_rnn2dnn.audio.synthesis import synthesize
from keras_rnn2dnn.util.errors import invalid

_MOST_WORD_MODELS = 150
_STATES_PER_PHONE = 3
_ESPEAK = "espeak:"
_ALTERNATIVE = re.compile(r"(.+)\(\d+\)")
_STRESS = "'"


def topology_of(words: Sequence[str], lexicon: str | Path | None) -> hmm.Topology:
    """Returns the states of words: five for each, or with a lexicon three a phone.

    Args:
        words: vocabulary.
        lexicon: a file with a word and its phones in each line, as of CMUdict or Kaldi;
            or `espeak:VOICE`, such as `espeak:en-us`, for what espeak-ng says. Without
            one each word is a model of its own.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if espeak-ng is missing; holds the pip line.
        ValueError: if there are too many words for models of their own, or one is not
            in the lexicon.
    """
    if lexicon is None:
        if len(words) > _MOST_WORD_MODELS:
            expected = f"{_MOST_WORD_MODELS} words at most, each a model of its own"
            hint = (
                "Name some of them in `words`, or give `lexicon`: a file with a word "
                f"and its phones in each line, or '{_ESPEAK}en-us' (extra: synth)"
            )
            raise ValueError(invalid("words", expected, f"{len(words)} words", hint))
        return hmm.Topology(words)
    if str(lexicon).startswith(_ESPEAK):
        entries = _spoken(words, str(lexicon).removeprefix(_ESPEAK))
    else:
        entries = read_lexicon(lexicon)
        lower = {word.lower(): phones for word, phones in reversed(entries.items())}
        entries = {w: entries.get(w, lower.get(w.lower())) for w in words}
    if lacking := [word for word in words if not entries[word]]:
        expected = "an entry for every word"
        more = f" and {len(lacking) - 10} more" if lacking[10:] else ""
        received = f"{lexicon}, without {', '.join(lacking[:10])}{more}"
        hint = "Add them, or leave them out by `words`"
        raise ValueError(invalid("lexicon", expected, received, hint))
    return hmm.Topology(words, _STATES_PER_PHONE, entries)


def read_lexicon(path: str | Path) -> dict[str, tuple[str, ...]]:
    r"""Reads a lexicon: a word and its phones in each line.

    Of several entries of a word the first is taken.
    Lines that begin with `;;;` are comments; `word(2)` is another entry of `word`.
    Probabilities, as of Kaldi's `lexiconp.txt`, are no phones.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a word has no phones; names the line.

    Example:
        >>> _ = Path("lexicon.txt").write_text("go G OW1\ngo(2) G AH0\nno N OW1\n")
        >>> read_lexicon("lexicon.txt")
        {'go': ('G', 'OW1'), 'no': ('N', 'OW1')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        word, *phones = line.split() or [";;;"]
        if word.startswith(";;;"):
            continue
        if phones and re.fullmatch(r"[01]?\.\d+|[01]", phones[0]):
            phones = phones[1:]
        if not phones:
            raise ValueError(
                f"Cannot use line {number} of {str(path)!r}. Expected a word and its "
                f"phones. Received: {line!r}"
            )
        alternative = _ALTERNATIVE.fullmatch(word)
        found.setdefault(alternative[1] if alternative else word, tuple(phones))
    return found


def _spoken(words, voice):
    """Returns the phones that espeak-ng speaks, without stress."""
    return {
        word: tuple(
            phone.label.lstrip(_STRESS)
            for phone in synthesize(word.replace("_", " "), voice).phonemes
        )
        for word in words
    }
