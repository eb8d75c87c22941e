"""A scene pack as environments to learn in."""
