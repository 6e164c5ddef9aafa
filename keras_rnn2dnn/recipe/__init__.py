"""A corpus becomes teacher, students and bundle: recordings in, files of a run out.

- `settings`, `split`: the numbers, and the recordings by their use
- `align`, `strings`, `streams`, `material`: hard alignments, word strings of them, and
  streams of these; features
- `teacher`, `targets`, `student`, `fitting`: who learns what, and how
- `trained`, `kept_models`: models with their decoders, and those that are there already
- `bundle`, `run`, `steps`: int8, the whole way, and going on after a stop
- `from_corpus`: all of it for a corpus of one's own
- `measured`: what all of them give on the test
"""

from keras_rnn2dnn.recipe.from_corpus import TrainedCorpus, train_corpus
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split

__all__ = ["Recipe", "RecipeRun", "Split", "TrainedCorpus", "train_corpus"]
