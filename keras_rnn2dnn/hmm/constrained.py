"""Soft alignments given words, those of a transcript or recognised ones."""

import functools
import json
import re
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from keras_rnn2dnn.hmm.alignment import align, forward_backward
from keras_rnn2dnn.hmm.decoding import WordLoopDecoder
from keras_rnn2dnn.hmm.occupancies import log_transform, transcript_transform
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.util.errors import invalid

Transform = Callable[[list[np.ndarray], Sequence], list[np.ndarray]]
_PATH, _PRIORS = ", path", ", priors "  # in the names of transforms
_SHARP = 100.0  # of posteriors as scores: transitions decide between equal ones alone


def constrained(
    topology: Topology,
    scale: float = 1.0,
    self_loop: float = 0.7,
    path: bool = False,
    log_priors: np.ndarray | None = None,
    prior_scale: float = 0.9,
) -> Transform:
    """Returns a transform of soft alignments: `forward_backward` over the transcripts.

    Learnt frame by frame they gave 2-10 % fewer word errors than the posteriors which
    they are made of (docs/results_0_1.md).

    Args:
        topology: the states of the words.
        scale: see `forward_backward`.
        self_loop: see `forward_backward`.
        path: whether one path has all of the mass: the one through the transcript that
            has the most of these posteriors. Their best classes, frame by frame, mostly
            skip states, and are none: `SequenceKL` has no bound for what is no path
            through the word loop, and with it a training diverges.
        log_priors: log-probability of each state, `(states,)`, of which `prior_scale`
            is taken away from the log-posteriors first. Where states are many, silence
            is much more probable than any other, and swallows most of the words without
            (hybrid alignment: Bourlard and Morgan, "Connectionist speech recognition",
            1994).
        prior_scale: see `log_priors`; without these it is not used.

    Returns:
        A function of lists of log-posteriors `(frames, states)` and of transcripts,
        to the log of the posteriors given the transcripts; for `SoftAlignments.write`.

    Raises:
        ValueError: if there is not one finite prior for each state.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> transform = constrained(topology)
        >>> np.exp(transform([np.zeros((3, 2))], ["a b"])[0]).round(2).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    prior = _prior(topology, log_priors, prior_scale)
    options = f"scale={scale}, self_loop={self_loop}{_PATH * path}"
    return transcript_transform(
        _given(topology, scale, self_loop, path, prior),
        f"forward_backward({_name(topology)}, {options}{_prior_name(prior)})",
    )


def _prior(topology, log_priors, prior_scale):
    """Returns what is taken away from the log-posteriors, `(states,)`, or None."""
    if log_priors is None:
        return None
    prior = np.float32(prior_scale) * np.asarray(log_priors, np.float32)
    if prior.shape != (topology.num_states,):
        expected = f"one for each of the {topology.num_states} states"
        raise ValueError(invalid("log_priors", expected, f"shape {prior.shape}"))
    if not np.isfinite(prior).all():
        expected = "finite numbers, and a finite `prior_scale`"
        raise ValueError(invalid("log_priors", expected, prior))
    return prior


def _prior_name(prior):
    return "" if prior is None else f"{_PRIORS}{zlib.crc32(prior.tobytes()):08x}"


def _given(topology, scale, self_loop, path, prior):
    return functools.partial(
        _given_words,
        topology=topology,
        scale=scale,
        self_loop=self_loop,
        path=path,
        prior=prior,
    )


def _given_words(log_posteriors, words, topology, scale, self_loop, path, prior):
    """Returns the posteriors given words, or a path through them as such."""
    given = {"topology": topology, "self_loop": self_loop}
    scores = log_posteriors
    if prior is not None:
        scores = [of_utterance - prior for of_utterance in log_posteriors]
    posteriors = forward_backward(scores, words, scale=scale, **given)
    if not path:
        return posteriors
    states = align([_SHARP * p for p in posteriors], words, **given)
    paths = [np.zeros_like(p) for p in posteriors]
    for of_utterance, along in zip(paths, states, strict=True):
        np.put_along_axis(of_utterance, along[:, None], 1, axis=1)
    return paths


def decoded(
    decoder: WordLoopDecoder, path: bool = False, prior_scale: float = 0.0
) -> Transform:
    """Returns a transform of soft alignments: given the words which a decoder finds.

    For recordings without transcripts whose words `SequenceKL` is to learn: unlike the
    best classes of the frames, these posteriors are of paths through the word loop.
    Learnt frame by frame they gave no fewer word errors than the best classes
    (docs/results_0_1.md).

    Args:
        decoder: recognises words by the log-posteriors.
        path: see `constrained`.
        prior_scale: how much of the decoder's priors is taken away where states are
            aligned to the words found; see `constrained`.

    Returns:
        A function of lists of log-posteriors `(frames, states)` and of transcripts,
        which do not count, to the log of the posteriors by `forward_backward` over
        the words found; for `SoftAlignments.write`. Where there are none, and no
        silence either, posteriors stay as they are.

    Raises:
        ValueError: if there is a `prior_scale`, but the decoder has no priors.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> transform = decoded(WordLoopDecoder(topology, insertion_penalty=-1.0))
        >>> heard = np.log([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])  # best: a a a
        >>> np.exp(transform([heard], [None])[0]).round(2).tolist()
        [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    """
    topology = decoder.topology
    if prior_scale and decoder.log_priors is None:
        expected = "0, as the decoder has no priors"
        raise ValueError(invalid("prior_scale", expected, prior_scale))
    priors = decoder.log_priors if prior_scale else None
    prior = _prior(topology, priors, prior_scale)
    posteriors_of = _given(topology, 1.0, decoder.self_loop, path, prior)

    def has_path(scores, words):
        return len(scores) > 0 and (len(words) > 0 or topology.silence)

    def of_found(log_posteriors, transcripts):
        words = decoder.decode(log_posteriors, keep_other=True)
        pairs = list(zip(log_posteriors, words, strict=True))
        chosen = [pair for pair in pairs if has_path(*pair)]
        aligned = iter(())
        if chosen:
            scores, found = zip(*chosen, strict=True)
            aligned = iter(posteriors_of(list(scores), list(found)))
        return [next(aligned) if has_path(*p) else np.exp(p[0]) for p in pairs]

    settings = zlib.crc32(json.dumps(decoder.to_dict(), sort_keys=True).encode())
    loop = f"{_name(topology)}, self_loop={decoder.self_loop}"
    options = f"{_PATH * path}{_prior_name(prior)}"
    name = f"decoded({loop}, decoder {settings:08x}{options})"
    return log_transform(of_found, name)


def _name(topology):
    """Returns what tells a topology from another one."""
    text = repr(topology) + (f" other={topology.other}" if topology.other else "")
    return f"{topology.num_states} states {zlib.crc32(text.encode()):08x}"


def made_of_paths(transform: str | None, topology: Topology, self_loop: float) -> bool:
    """Tells from a store's transform whether all targets are paths of one word loop.

    Args:
        transform: name that the store keeps.
        topology: of the loop.
        self_loop: of the loop.

    Example:
        >>> topology = Topology(("a", "b"))
        >>> made_of_paths(constrained(topology).__name__, topology, 0.7)
        True
        >>> made_of_paths(None, topology, 0.7)
        False
    """
    known = {
        constrained(topology, self_loop=self_loop, path=path).__name__
        for path in (False, True)
    }
    unknown = f"decoded({_name(topology)}, self_loop={self_loop}, decoder "
    name = re.sub(f"{_PRIORS}[0-9a-f]{{8}}", "", transform or "")  # of any
    if re.search(rf"{re.escape(unknown)}[0-9a-f]{{8}}({_PATH})?\)+$", name):  # last
        return "by_transcript(" not in name or any(of in name for of in known)
    return name in known
