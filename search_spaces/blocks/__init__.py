"""The families of layers that the built-in spaces are made of."""
