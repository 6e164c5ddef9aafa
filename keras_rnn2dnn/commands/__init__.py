"""The commands of `rnn2dnn`, a file each."""
