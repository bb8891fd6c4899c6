"""Code that travels inside the packaged model. Nothing here imports the rest of ner11."""
