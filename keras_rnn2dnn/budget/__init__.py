"""The best student within a budget: a store in, candidates and their costs out.

- `search`: trains and measures; `result`: candidates and table; `plot`: SVG
"""

from keras_rnn2dnn.budget.result import Candidate, SearchResult
from keras_rnn2dnn.budget.search import search_student

__all__ = ["Candidate", "SearchResult", "search_student"]
