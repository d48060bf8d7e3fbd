"""The component ``build``."""
