"""Asking the API: which tasks, which windows of time, how many at once."""
