"""A new device's LUT from another's and a few networks of its own."""
