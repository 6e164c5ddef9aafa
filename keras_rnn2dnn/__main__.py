"""`python -m keras_rnn2dnn`: the command `rnn2dnn`, where it is not on the path."""

import sys

from keras_rnn2dnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
