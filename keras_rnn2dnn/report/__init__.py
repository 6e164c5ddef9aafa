"""One page that shows a run: its directory in, an HTML file out.

- `page`, `html`, `svg`, `systems`, `table`: the page and its parts
- `collect`, `models`: what a run left behind
- the other files: a section each
"""

from keras_rnn2dnn.report.page import write_report

__all__ = ["write_report"]
