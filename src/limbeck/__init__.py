"""limbeck: committees of small language models label your texts, and what drips out is a model of your own."""

__version__ = "0.1.0"
