"""A bundle in a web page: its C code as WebAssembly, with microphone and pictures.

- `compiler`: the bundle's sources as WebAssembly
- `contents`: what the page knows of the bundle; `modules`: JavaScript in one script
- `page`: one HTML file with all inside; `server`: it on this machine's own address
"""

from keras_rnn2dnn.web.compiler import is_installed
from keras_rnn2dnn.web.page import PLACE, write_page
from keras_rnn2dnn.web.server import serve

__all__ = ["PLACE", "is_installed", "serve", "write_page"]
