"""Soft alignments on disk: a teacher and utterances in, a store for students out.

- `store`, `options`: `SoftAlignments`; `shards`: its files
- `utterances`, `teacher_pass`, `on_ray`: what the teacher hears and gives
- `transforms`, `prior_matching`: targets changed on the way
- `training`, `delay`: a student from a store
"""

from keras_rnn2dnn.alignments.prior_matching import match_priors
from keras_rnn2dnn.alignments.store import SoftAlignments
from keras_rnn2dnn.alignments.transforms import by_transcript, chained

__all__ = ["SoftAlignments", "by_transcript", "chained", "match_priors"]
