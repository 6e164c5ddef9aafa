"""References and hypotheses: as words, and each beside its other."""

from collections.abc import Iterable, Mapping, Sequence, Set, Sized

from keras_rnn2dnn.util.errors import invalid

_SHOWN = 5  # names in an error message
_WORDS = "a string, or a sequence of words"


def paired(references, hypotheses) -> tuple[list[list[str]], list[list[str]]]:
    """Returns references and hypotheses as words, as many, each beside its other.

    Args:
        references: a sequence with, for each utterance, a string or a sequence of
            words; or a mapping to such, from the names of the utterances.
        hypotheses: likewise; of a mapping, each goes to the reference of its name.

    Raises:
        TypeError: if one of them, or an utterance of it, is neither.
        ValueError: if one is a single string, or utterances lack their other.

    Example:
        >>> paired({"u1": "a b", "u2": "c"}, {"u2": ["c"], "u1": "a"})
        ([['a', 'b'], ['c']], [['a'], ['c']])
    """
    named = isinstance(references, Mapping), isinstance(hypotheses, Mapping)
    if named == (True, True):
        _check_names(references, hypotheses)
        order = list(references)
        references = [references[name] for name in order]
        hypotheses = [hypotheses[name] for name in order]
    elif any(named):
        this, other = ("references", "hypotheses")[:: 1 if named[0] else -1]
        expected = f"a sequence of utterances, as `{other}`, or a mapping for both"
        mapping = references if named[0] else hypotheses
        raise TypeError(invalid(this, expected, type(mapping).__name__))
    said = as_words(references, "references")
    found = as_words(hypotheses, "hypotheses")
    if len(said) != len(found):
        expected = f"as many utterances as references, {len(said)}"
        raise ValueError(invalid("hypotheses", expected, f"{len(found)} utterances"))
    return said, found


def as_words(utterances, argument: str) -> list[list[str]]:
    """Returns the words of each utterance.

    Args:
        utterances: a sequence with, for each, a string or a sequence of words.
        argument: its name in error messages.

    Raises:
        TypeError: if it is something else, such as a mapping, a set, or numbers.
        ValueError: if it is a single string.

    Example:
        >>> as_words(["one  two", ("three",), ""], "references")
        [['one', 'two'], ['three'], []]
    """
    check_utterances(utterances, argument)
    return [
        words_of(utterance, f"{argument}[{number}]")
        for number, utterance in enumerate(utterances)
    ]


def check_utterances(utterances, argument: str) -> None:
    """Raises unless it holds utterances in an order, of which the number is known.

    Raises:
        TypeError: if it is None, a mapping, a set, or nothing of that kind.
        ValueError: if it is a single string.
    """
    expected = "a sequence of utterances"
    if isinstance(utterances, str):
        expected += ", not one string"
        raise ValueError(invalid(argument, expected, utterances, "Wrap it in a list"))
    if isinstance(utterances, Mapping):
        hint = "Of a mapping, give the values in the order of the utterances"
        raise TypeError(invalid(argument, expected, _kind(utterances), hint))
    if not _in_order(utterances) or not isinstance(utterances, Sized):
        raise TypeError(invalid(argument, expected, _kind(utterances)))


def words_of(utterance: str | Sequence[str], argument: str) -> list[str]:
    """Returns the words of an utterance.

    Args:
        utterance: a string, split on white space, or a sequence of words.
        argument: its name in error messages.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(utterance, str):
        return utterance.split()
    if not _in_order(utterance):
        raise TypeError(invalid(argument, _WORDS, _kind(utterance)))
    words = list(utterance)
    for word in words:
        if not isinstance(word, str):
            hint = "Of bytes, decode() gives strings" if isinstance(word, bytes) else ""
            if not hint:
                hint = "Of class numbers, a decoder gives the words"
            raise TypeError(invalid(argument, _WORDS, words[:_SHOWN], hint))
    return words


def _check_names(references, hypotheses):
    for argument, given, others in (
        ("hypotheses", hypotheses, references),
        ("references", references, hypotheses),
    ):
        missing = [name for name in others if name not in given]
        if missing:
            names = ", ".join(map(repr, missing[:_SHOWN]))
            names += f" and {len(missing) - _SHOWN} more" * (len(missing) > _SHOWN)
            other = "references" if argument == "hypotheses" else "hypotheses"
            expected = f"the same utterances as `{other}`"
            raise ValueError(invalid(argument, expected, f"none of {names}"))


def _in_order(values):
    unordered = isinstance(values, Set | Mapping | bytes | bytearray)
    return isinstance(values, Iterable) and not unordered


def _kind(value):
    return None if value is None else type(value).__name__
