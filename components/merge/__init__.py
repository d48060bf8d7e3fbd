"""The component ``merge``."""
