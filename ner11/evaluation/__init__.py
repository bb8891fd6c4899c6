"""Evaluation: scores by source and label, gates, and the report."""
