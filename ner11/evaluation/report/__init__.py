"""The report that QA reads: one HTML page and its short form, made from the files that a run wrote."""
