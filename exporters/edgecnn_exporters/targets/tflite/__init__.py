"""TFLite, written directly from the canonical graph: no TensorFlow, no second quantisation.

Reading order: `target` (options of an export), `write`, `source` (graph and encodings), `views`
(layout), `lowering` (state of a translation), then one of `operators`.
"""

from typing import Literal

Io = Literal["float32", "int8", "uint8"]
"""Element type of the inputs and outputs of an int8 file."""
