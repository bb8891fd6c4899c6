"""Serving: the HTTP API, the backend of Label Studio, and retraining behind gates."""
