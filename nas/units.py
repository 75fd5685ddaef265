"""Factors from what is stored (nanoseconds, bytes) to what is shown (milliseconds, MiB)."""

MS = 1e-6
MIB = 2**-20
