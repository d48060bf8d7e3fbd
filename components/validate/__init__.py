"""The component ``validate``."""
