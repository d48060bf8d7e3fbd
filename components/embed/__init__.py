"""The component ``embed``."""
