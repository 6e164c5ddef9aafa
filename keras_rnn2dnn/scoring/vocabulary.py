"""Whether a decoder can find the words of transcripts at all, and making them alike."""

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from keras_rnn2dnn.scoring.pairing import as_words
from keras_rnn2dnn.util.errors import invalid

_LOG = logging.getLogger(__name__)
_SHOWN = 5  # words in a message
_KEPT = "'-"  # within words


def remove_punctuation(text: str) -> str:
    r"""Returns text without punctuation, but for `'` and `-` within words.

    What stands between two words without a space becomes one; a curly apostrophe
    becomes a straight one.

    Example:
        >>> remove_punctuation("Don\u2019t stop, twenty-one: now... «yes»!")
        "Don't stop twenty-one now yes"
    """
    text = text.replace("\u2019", "'")
    plain = "".join(
        " " if unicodedata.category(c).startswith("P") and c not in _KEPT else c
        for c in text
    )
    words = (word.strip(_KEPT) for word in plain.split())
    return " ".join(word for word in words if word)


OPTIONS = {"lowercase": str.lower, "remove-punctuation": remove_punctuation}


def normalised(text: str, options: Sequence[str]) -> str:
    """Returns text with white space of one kind, after these `OPTIONS`.

    Example:
        >>> normalised("Turn it ON.", ["lowercase", "remove-punctuation"])
        'turn it on'
    """
    for option in options:
        text = OPTIONS[option](text)
    return " ".join(text.split())


def check_vocabulary(
    references: Sequence[str | Sequence[str]], decode: Any, argument: str = "references"
) -> None:
    """Checks that a decoder can find the words of references.

    Words beyond its vocabulary are named in a warning, as each is an error that no
    model can avoid. Where it knows none of them, or would know them in lower case or
    without punctuation, the word error rate would tell nothing of the model.

    Args:
        references: for each utterance a string or a sequence of words.
        decode: a `WordLoopDecoder`, a decoder of CTC or a `KeywordSpotter`; of others
            nothing is known.
        argument: name of the references in error messages.

    Raises:
        ValueError: if no word is in the vocabulary, or they are written otherwise.

    Example:
        >>> from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
        >>> check_vocabulary(["YES NO"], WordLoopDecoder(Topology("yes no")))
        Traceback (most recent call last):
        ValueError: Invalid value for `references`. Expected words of the decoder...
    """
    knows = _known_by(decode)
    if knows is None:
        return
    words = Counter(w for words in as_words(references, argument) for w in words)
    unknown = [word for word in words if not knows(word)]
    if not unknown:
        return
    missed, total = sum(words[word] for word in unknown), words.total()
    shown = ", ".join(map(repr, unknown[:_SHOWN]))
    shown += f" and {len(unknown) - _SHOWN} more" * (len(unknown) > _SHOWN)
    received = f"{shown}: {missed} of {total} words"
    options = _remedy(unknown, knows)
    if options or missed == total:
        hint = f"Known with {' '.join(options)}" if options else ""
        expected = "words of the decoder's vocabulary"
        raise ValueError(invalid(argument, expected, received, hint))
    _LOG.warning(
        "`%s` holds words that the decoder does not know: %s. Each is an error",
        argument,
        received,
    )


def _known_by(decode) -> Callable[[str], bool] | None:
    topology, labels = (getattr(decode, name, None) for name in ("topology", "labels"))
    if topology is not None:
        return frozenset(topology.words).__contains__
    if labels is None:
        return None
    if hasattr(decode, "none"):
        return frozenset(decode.keywords).__contains__
    known = {label for k, label in enumerate(labels) if k != decode.blank}
    if " " in known:  # characters
        return lambda word: known.issuperset(word)
    return known.__contains__


def _remedy(unknown, knows):
    """Returns the options with which most unknown words are known; none if none is."""
    lower, bare = (f"--{name}" for name in OPTIONS)
    tried = {
        (lower,): str.lower,
        (bare,): remove_punctuation,
        (lower, bare): lambda word: remove_punctuation(word.lower()),
    }
    counts = {
        options: sum(all(map(knows, change(word).split(" "))) for word in unknown)
        for options, change in tried.items()
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ()
