"""The benchmarks' tasks, as a user would write them: labels, their meaning, what is asked. No gold label is used."""

from __future__ import annotations

from pathlib import Path

SST2 = """
task:
  name: sst2
  instructions: Decide whether the movie review is negative or positive.
  labels:
    negative: the reviewer dislikes the film
    positive: the reviewer likes the film
  noun: review
  aspect: sentiment
"""
TREC = """
task:
  name: trec
  instructions: Decide what kind of answer the question asks for.
  labels:
    abbreviation: what a short form stands for, or the short form of a name
    description: a definition, a reason, a manner or an explanation
    entity: a thing such as an animal, a food, a work, an event, a colour or a product
    location: a place such as a city, a country or a mountain
    number: a count, a date, a distance, a price, an age or another number
    person: a person, a group of people or an organisation
  noun: question
  aspect: type of answer
"""


def task_text(name: str, pool: Path, *, test: Path | None = None, extra: str = "") -> str:
    """A task file for a benchmark set."""
    head = {"sst2": SST2, "trec": TREC}[name].lstrip()
    held_out = f"  test: {test}\n" if test else ""
    return f"{head}data:\n  pool: {pool}\n{held_out}  gold: label\n{extra}"
