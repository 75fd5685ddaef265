"""Optuna's dashboard on a study, read-only, and what is attached to the study for it."""
