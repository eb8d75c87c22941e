"""Data: small sample captures."""
