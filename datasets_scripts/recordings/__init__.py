"""Files of recordings, in the layouts that laboratories keep them in, and prepared ones."""
