"""Factors from what is stored (ns, bytes, uJ) to what is shown (ms, MiB, mJ)."""

MS = 1e-6
MIB = 2**-20
MILLIJOULES = 1e-3
