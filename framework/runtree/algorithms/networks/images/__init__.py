"""Pictures: files and pixels as tensors, changed at random, and a network for them."""
