"""How good a network is: a weight-sharing supernet, its training, and what it says."""
