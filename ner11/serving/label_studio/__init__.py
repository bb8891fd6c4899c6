"""The backend that Label Studio asks for predictions, and the client of its API."""
