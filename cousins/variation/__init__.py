"""Cousins: how they differ from the twin, how they are drawn, and how they are certified."""
