"""Words of the stories: their tokens, and their neighbours in meaning and in sound."""

from .neighbours import (
    draw_words,
    read_neighbours,
    spoken_neighbours,
    word_meanings,
    word_neighbours,
    word_phones,
    write_neighbours,
)
from .new_words import NewWords, new_words
from .tokens import WordToken, cut_tokens, draw_tokens, word_tokens

__all__ = [
    "NewWords",
    "WordToken",
    "cut_tokens",
    "draw_tokens",
    "draw_words",
    "new_words",
    "read_neighbours",
    "spoken_neighbours",
    "word_meanings",
    "word_neighbours",
    "word_phones",
    "word_tokens",
    "write_neighbours",
]
