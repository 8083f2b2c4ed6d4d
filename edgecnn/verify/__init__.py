"""``edgecnn verify`` beyond the golden examples: causes, held-out pictures, ways to preprocess."""
