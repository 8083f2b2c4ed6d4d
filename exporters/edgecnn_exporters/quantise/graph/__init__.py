"""Selection of the operators that are quantised, and the QDQ graph of them."""
