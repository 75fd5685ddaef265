"""From timed networks to a LUT: segments, whole-network terms and their intervals."""
