"""`train_corpus`: a corpus in, a verified bundle out.

- `train`, `outcome`: the whole way, and what it found
- `parts`, `long_recordings`: the corpus by its use, with noise and what has no words
- `lexicon`: the states of the words
- `plan`, `student_size`: numbers of the recipe that fit a time, sizes that fit a memory
- `own_teacher`: a run with a teacher that exists
"""

from keras_rnn2dnn.recipe.from_corpus.outcome import TrainedCorpus
from keras_rnn2dnn.recipe.from_corpus.train import train_corpus

__all__ = ["TrainedCorpus", "train_corpus"]
