"""Projects for build systems: a bundle as a library that they take as it is.

- `writing`: `write_project`, and what it refuses
- `contents`: what of a bundle goes into a project
- `golden_array`: the recordings that a board verifies itself with
- `templates`: the files; `core` is what all examples have in common, from the ring
  buffer of the microphone to the words
"""

from keras_rnn2dnn.deploy.projects.writing import KINDS, check_project, write_project

__all__ = ["KINDS", "check_project", "write_project"]
