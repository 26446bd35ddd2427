"""Recordings and speech tasks with planted truth, spoken in an invented language."""
