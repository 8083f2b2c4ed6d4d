"""``edgecnn verify`` beyond golden examples: causes, held-out images, preprocessing."""
