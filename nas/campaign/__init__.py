"""Filling a LUT: carriers planned and run, or another device's LUT taken over."""
