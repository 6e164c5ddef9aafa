"""`verify`: a bundle in, the proof that it computes what Python computes out.

- `run`: all stages; `outcome`: of one of them; `summary`: of all, in one line
- `outputs`, `figures`, `mutations`, `costs`: the stages by what they compare
- `changes`: of one number in a copy of a bundle
- `stream`: minutes of what a device hears that is left switched on
"""

from keras_rnn2dnn.deploy.verify.outcome import Outcome
from keras_rnn2dnn.deploy.verify.run import Verification, verify

__all__ = ["Outcome", "Verification", "verify"]
