"""The demo, end to end: recordings or synthetic speech in, a table of systems out.

- `plan`: how much of it, and how long that takes
- `data`: whose recordings, and who is heard when
- `other_speech`: what is none of the words, by espeak-ng
- `left_on`: what a device finds in minutes of a stream
- `run`: the recipe on each split, and the table of what is measured on its test
"""

from keras_rnn2dnn.demo.data import demo_recordings
from keras_rnn2dnn.demo.plan import DEFAULT, FULL, Plan
from keras_rnn2dnn.demo.run import run_demo
from keras_rnn2dnn.recipe.settings import Recipe

__all__ = ["DEFAULT", "FULL", "Plan", "Recipe", "demo_recordings", "run_demo"]
