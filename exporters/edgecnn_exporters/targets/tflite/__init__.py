"""TFLite, written directly from the canonical graph: no TensorFlow, no second quantisation.

Read `target` (what an export may ask for), `write`, `source` (what is taken from the graph),
`views` (how the layout is solved), `lowering` (the state of a translation), then one of
`operators`.
"""

from typing import Literal

Io = Literal["float32", "int8", "uint8"]
"""What goes into a file of 8 bits, and comes out."""
