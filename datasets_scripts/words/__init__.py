"""Words of the stories: their tokens, and their neighbours in meaning and in sound."""
