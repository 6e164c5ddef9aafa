"""One page that shows what a demo measured: curves, errors, posteriors, firmware."""

from keras_rnn2dnn.report.page import write_report

__all__ = ["write_report"]
