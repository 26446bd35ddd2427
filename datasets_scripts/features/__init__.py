"""What of a story's sound needs no understanding, on the TR axis or frame by frame."""
