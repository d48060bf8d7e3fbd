"""The component ``query``."""
