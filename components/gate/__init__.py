"""The component ``gate``."""
