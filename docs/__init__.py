"""What draws pictures of the documentation from the source."""
