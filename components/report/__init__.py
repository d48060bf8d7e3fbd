"""The component ``report``."""
